"""A connection to Milvus, embedded or a server, that raises vicinal's errors in place of the client's."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from vicinal.config.locations import milvus_location_problem
from vicinal.errors import StoreUnreachableError
from vicinal.stores.milvus_client import clear_schema_cache, import_client
from vicinal.stores.milvus_engine import MilvusEngine
from vicinal.stores.milvus_errors import check_reachable, wrap_errors
from vicinal.stores.milvus_lite_lock import MilvusLiteLock

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["MilvusConnection"]

_EMBEDDED_GRPC_OPTIONS = {"grpc.keepalive_time_ms": 2**31 - 1, "grpc.keepalive_permit_without_calls": False}
"""No keepalive: the client would ping the embedded server every ten seconds, until that closes the connection."""


class MilvusConnection:
    """A connection that is open from construction until ``close``. ``location`` is a path ending in .db or a URI.

    Raises:
        StoreUnreachableError: Milvus does not respond.
        StoreBusyError: another process holds the embedded file.
    """

    def __init__(self, location: str, *, token: str | None = None, timeout: float = 5.0) -> None:
        if reason := milvus_location_problem(location):
            raise StoreUnreachableError(f"the location of Milvus {reason}", hint="set MILVUS_URI, or `stores.milvus`")
        self._location = location
        import_client()
        self._lite_lock = None if "://" in location else MilvusLiteLock(Path(location))
        try:
            self._client = self._connect(token, timeout)
            with self._wrap_errors():
                self.engine = MilvusEngine.parse(self._client.get_server_version())
        except BaseException:
            self.close()
            raise

    def _connect(self, token: str | None, timeout: float) -> MilvusClient:
        if self._lite_lock is None:
            check_reachable(self._location, timeout)
        clear_schema_cache()
        from pymilvus import MilvusClient

        with self._wrap_errors():
            # The embedded server has its own connection for each file; connections to a server may be shared.
            options = {"grpc_options": _EMBEDDED_GRPC_OPTIONS} if self.embedded else {}
            return MilvusClient(self._location, token=token or "", timeout=timeout, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect, and release the lock of an embedded file."""
        client = getattr(self, "_client", None)
        if client is not None:
            client.close()
            del self._client
        if self._lite_lock is not None:
            from milvus_lite.server_manager import server_manager_instance

            server_manager_instance.release_server(str(self._lite_lock.path))
            self._lite_lock.close()
            self._lite_lock = None

    def publish_address(self, url: str) -> None:
        """Publish where this process answers those that cannot open the embedded file; a server needs none."""
        if self._lite_lock is not None:
            self._lite_lock.publish_address(url)

    @property
    def published_secret(self) -> str:
        """What those know who may read the embedded file's folder; empty without one, or before it was published."""
        return self._lite_lock.secret if self._lite_lock is not None else ""

    @property
    def embedded(self) -> bool:
        """Whether Milvus is embedded: the collection is in a file that this process has locked."""
        return self._lite_lock is not None

    def _wrap_errors(self) -> AbstractContextManager[None]:
        """Raise Milvus' errors as vicinal's."""
        return wrap_errors(self._location)
