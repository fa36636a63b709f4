"""What a server allows, and how it treats what comes in at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from vicinal.errors import ConfigError

__all__ = ["Settings"]

_PREFIX = "VICINAL_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits and switches; ``from_environment`` reads each from ``VICINAL_`` and its name in capitals.

    ``api_keys`` and ``cors_origins`` are comma-separated there.
    """

    api_keys: tuple[str, ...] = ()
    """Whoever asks must show one of these; none: everybody may."""
    cors_origins: tuple[str, ...] = ()
    """Origins (``https://example.org``) whose pages may call this server from a browser; none: no other page may."""
    uploads: str = ""
    """The folder that uploaded files go to, each solution's to one of its name; by default ``.vicinal`` by its YAML."""
    max_upload_mb: float = 50.0
    """Size of an uploaded file, in units of 1,000,000 bytes."""
    max_body_kb: float = 1024.0
    """Size of any other request, in units of 1,000 bytes."""
    max_query_chars: int = 10_000
    """Length of a query."""
    max_queries: int = 256
    """Queries in one call."""
    max_limit: int = 1_000
    """Hits of a query, or items of a page."""
    max_waiting: int = 2_048
    """Queries that wait for an answer; more are turned away with 503."""
    max_batch: int = 64
    """Queries that are encoded together."""
    gather_ms: float = 3.0
    """How long a query waits for others to be encoded with; one that comes alone does not wait."""
    max_seconds: float = 30.0
    """How long an answer may take before it is given up with 503."""
    max_streams: int = 64
    """Event streams that are open at once; more are turned away with 429."""
    max_connections: int = 16_384
    """Connections that are open at once, if as many files may be; more are turned away with 503."""
    client_seconds: float = 30.0
    """How long a client may take to send a request's head or a part of its body, or to read on."""
    heartbeat_seconds: float = 15.0
    """After so long without news an event stream carries a comment, so that proxies keep it open."""
    watch_seconds: float = 2.0
    """How often both stores of each solution are asked whether they are there."""
    warm: bool = True
    """Whether models are loaded when the server starts, and not by the first query."""

    @property
    def upload_bytes(self) -> int:
        return int(self.max_upload_mb * 1_000_000)

    @property
    def body_bytes(self) -> int:
        return int(self.max_body_kb * 1_000)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Settings as the environment gives them.

        Raises:
            ConfigError: a value cannot be read.
        """
        given: dict[str, Any] = {}
        problems = []
        for field in fields(cls):
            name = _PREFIX + field.name.upper()
            if (text := environment.get(name, "").strip()) == "":
                continue
            try:
                given[field.name] = _read(text, field.default)
            except ValueError as error:
                problems.append(f"{name}: {error}")
        if problems:
            raise ConfigError("the server's settings cannot be read", problems=problems)
        return cls(**given)


def _read(text: str, default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0"):
            raise ValueError(f"neither true nor false: {text!r}")
        return text.lower() in ("true", "1")
    try:
        number = type(default)(text)
    except ValueError:
        raise ValueError(f"not a number: {text!r}") from None
    if not 0 < number < float("inf"):
        raise ValueError(f"must be more than 0: {text!r}")
    return number
