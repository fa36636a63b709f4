"""A small client of the HTTP API: JSON and one uploaded file, without proxies and redirects."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from vicinal import errors
from vicinal.errors import ItemError, StoreBusyError, StoreUnreachableError, VicinalError

__all__ = ["ApiClient", "ApiResponseError", "ServerUnreachableError", "to_vicinal_error"]

_CHUNK_BYTES = 1 << 20
_KIND_OF_STATUS: Mapping[int, type[VicinalError]] = {409: StoreBusyError, 503: StoreUnreachableError}


class ServerUnreachableError(StoreUnreachableError):
    """The server does not respond, or what answers is no server of vicinal's."""


class ApiResponseError(Exception):
    """A response that is not a success: its ``status`` and its ``body``, the API's one error body."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body.get("error", status)))
        self.status, self.body = status, body

    def to_vicinal_error(self) -> VicinalError:
        """The error that the server met."""
        kind = self.body.get("type")
        return to_vicinal_error(kind, str(self), self.body.get("hint", ""), _KIND_OF_STATUS.get(self.status))


def to_vicinal_error(
    kind: str | None, message: str, hint: str, default: type[VicinalError] | None = None
) -> VicinalError:
    """The error of this class, by its name; of ``default`` where it is none of vicinal's."""
    found = getattr(errors, kind) if kind in errors.__all__ and kind != "ExitCode" else default or VicinalError
    error: VicinalError = found(message, hint=hint)
    return error


class ApiClient:
    """Requests to one server, each on a connection of its own."""

    def __init__(self, url: str, api_key: str = "", timeout: float = 120.0) -> None:
        self.url = url
        self.timeout = timeout
        self._address = urlsplit(url)
        self._headers = {"X-API-Key": api_key.strip().encode()} if api_key else {}

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON that the server answers; ``body`` is sent as JSON.

        Raises:
            ApiResponseError: the response is not a success.
            ServerUnreachableError: there is none.
        """
        if body is None:
            return self._send_request(method, path, None, {})
        return self._send_request(method, path, orjson.dumps(body), {"Content-Type": "application/json"})

    def upload(self, path: str, file: Path, fields: Mapping[str, str]) -> Any:
        """Post a form with a file, which is read piece by piece. Raises as ``request`` does.

        Raises:
            ItemError: the file cannot be read.
        """
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()
        ]
        name = f"query{file.suffix}" if file.suffix.isascii() and file.suffix[1:].isalnum() else "query"
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        head, tail = "".join(parts).encode(errors="replace"), f"\r\n--{boundary}--\r\n".encode()
        try:
            length = len(head) + file.stat().st_size + len(tail)
            file.open("rb").close()
        except OSError as error:
            raise ItemError(f"cannot read {file}: {error.strerror}") from error
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(length)}
        return self._send_request("POST", path, _iter_form(head, file, tail), headers)

    def _send_request(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None, headers: Mapping[str, str]
    ) -> Any:
        connection = HTTPConnection(self._address.hostname or "", self._address.port, timeout=self.timeout)
        try:
            connection.connect()
            # A server that refuses the body before all of it was sent says why in its response.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body, {**self._headers, **headers, "Connection": "close"})
            response = connection.getresponse()
            status, data = response.status, response.read()
            found = orjson.loads(data)
        except (OSError, HTTPException, orjson.JSONDecodeError) as error:
            raise ServerUnreachableError(
                f"the server at {self.url} does not respond",
                hint="finished batches are kept; run the same command again",
            ) from error
        finally:
            connection.close()
        if status >= 400:
            raise ApiResponseError(status, found if isinstance(found, dict) else {})
        return found


def _iter_form(head: bytes, file: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
    yield tail
