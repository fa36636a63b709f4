"""Settings of a server, read from environment variables or given as arguments."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationError,
)

from vicinal.errors import ConfigError

__all__ = ["Settings"]

_PREFIX = "VICINAL_"
_RENAMED = {
    "VICINAL_CLIENT_SECONDS": "VICINAL_CLIENT_TIMEOUT_SECONDS",
    "VICINAL_GATHER_MS": "VICINAL_MAX_BATCH_DELAY_MS",
    "VICINAL_MAX_SECONDS": "VICINAL_REQUEST_TIMEOUT_SECONDS",
    "VICINAL_MAX_WAITING": "VICINAL_MAX_QUEUED_QUERIES",
    "VICINAL_WARM": "VICINAL_PRELOAD_MODELS",
    "VICINAL_WATCH_SECONDS": "VICINAL_HEALTH_INTERVAL_SECONDS",
}


_OWN_PATHS = ("api", "docs", "docs.css", "healthz", "metrics", "openapi.json", "page", "readyz")


def _check_root_path(value: str) -> str:
    path = value.rstrip("/")
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError("must be a path such as /search")
    if path.split("/")[1:2] in ([own] for own in _OWN_PATHS):
        raise ValueError("must not begin with a path of the server itself, such as /api")
    return path


def _split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_split_commas)]
PositiveNumber = Annotated[FiniteFloat, Field(gt=0)]


class Settings(BaseModel):
    """Limits and switches of a server.

    ``from_environment`` reads each from the variable ``VICINAL_`` and its name in capitals; ``api_keys`` and
    ``cors_origins`` are comma-separated there. Errors and ``repr`` never show a value, since it may be a secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    api_keys: Annotated[Texts, Field(repr=False)] = ()
    """Keys that give access to the API; without any, everybody has access."""
    cors_origins: Texts = ()
    """Origins (``https://example.org``) whose pages may call this server from a browser; by default none."""
    uploads: str = ""
    """The folder for uploaded files, with a folder for each solution; by default ``.vicinal`` beside its YAML."""
    max_upload_mb: PositiveNumber = 50.0
    """Size of an uploaded file, in units of 1,000,000 bytes."""
    max_body_kb: PositiveNumber = 1024.0
    """Size of any other body, in units of 1,000 bytes."""
    max_query_chars: PositiveInt = 10_000
    """Length of a query, and of a filter."""
    max_queries: PositiveInt = 256
    """Queries in one call."""
    max_limit: Annotated[PositiveInt, Field(le=16_384)] = 1_000
    """Hits of a query, or items of a page. Milvus allows 16,384."""
    max_sorted_items: PositiveInt = 200_000
    """Items that a list may have to be sorted by a field or counted, since each page reads all of them."""
    max_queued_queries: PositiveInt = 2_048
    """Queries that are queued; more get a 503."""
    max_batch: PositiveInt = 64
    """Queries that are encoded together."""
    max_batch_delay_ms: PositiveNumber = 3.0
    """How long a batch waits for more queries; a lone query does not wait."""
    request_timeout_seconds: PositiveNumber = 30.0
    """How long a request may take; after that it gets a 503."""
    max_streams: PositiveInt = 64
    """Event streams that are open at once; more get a 429."""
    max_connections: PositiveInt = 16_384
    """Connections that are open at once, if the process may open as many files; more get a 503."""
    client_timeout_seconds: PositiveNumber = 30.0
    """How long a client may take to send a request's head or the next part of its body, or to read on."""
    heartbeat_seconds: PositiveNumber = 15.0
    """After so long without an event a stream sends a comment, so that proxies keep it open."""
    health_interval_seconds: PositiveNumber = 2.0
    """How often both stores of each solution are checked."""
    preload_models: bool = True
    """Whether models are loaded when the server starts, rather than by the first query."""
    drain_seconds: Annotated[FiniteFloat, Field(ge=0)] = 0.0
    """How long a server goes on answering after SIGTERM, while ``/readyz`` says 503, so that load balancers notice."""
    root_path: Annotated[str, AfterValidator(_check_root_path)] = ""
    """The path under which a proxy serves this server, as ``/search``; whether the proxy strips it does not matter."""

    @property
    def upload_bytes(self) -> int:
        return int(self.max_upload_mb * 1_000_000)

    @property
    def body_bytes(self) -> int:
        return int(self.max_body_kb * 1_000)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings from environment variables; an empty variable counts as unset.

        Raises:
            ConfigError: a value is invalid, or a variable has an old name.
        """
        given = {name: environment.get(_PREFIX + name.upper(), "").strip() for name in cls.model_fields}
        problems = [f"{old}: is now {new}" for old, new in _RENAMED.items() if environment.get(old)]
        try:
            settings = cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            problems += [
                f"{_PREFIX}{str(detail['loc'][0]).upper()}: {detail['msg'].removeprefix('Value error, ')}"
                for detail in error.errors()
            ]
        if problems:
            raise ConfigError("invalid settings in the environment", problems=problems)
        return settings
