"""A collection in the memory of Milvus: loaded on one query node or several, so that it is searched, and released."""

from __future__ import annotations

from vicinal.errors import StoreError, StoreUnreachableError, UnsupportedByEngineError
from vicinal.stores.milvus_connection import MilvusConnection
from vicinal.stores.milvus_replicas import (
    LoadConfig,
    Replica,
    count_query_nodes,
    describe_replicas,
    require_query_nodes,
)

__all__ = ["MilvusLoading"]

_CALL_SECONDS = 60.0


class MilvusLoading(MilvusConnection):
    """A connection by which a collection is loaded and released."""

    collection: str
    load_config: LoadConfig

    def _require_replicas(self, load_config: LoadConfig) -> None:
        if self.embedded and load_config.needs_server:
            raise UnsupportedByEngineError(
                f"{self.engine} runs in this process alone and cannot load {load_config}",
                hint="remove `index.replicas` and `index.resource_groups`, or set MILVUS_URI to a server",
            )

    def load_collection(self, *, reload: bool = False, wait: bool = True) -> None:
        """Load the collection as ``load_config`` says, so that it can be searched; one that is loaded stays so.

        Args:
            reload: release an embedded collection first; only then does its index serve the rows written since.
            wait: return only once it is loaded; else a server loads in the background.

        Raises:
            StoreError: there is no such resource group, or there are too few query nodes.
        """
        with self._wrap_errors():
            if reload and self.embedded:
                self._client.release_collection(self.collection)
        if (state := self._load_state()) == "Loaded":
            return
        if state != "Loading":  # as after a restart of Milvus, whose query nodes may not all be back
            self.require_query_nodes()
        with self._wrap_errors():
            self._load_collection(wait=wait)

    def _load_state(self) -> str:
        """``NotExist``, ``NotLoad``, ``Loading`` or ``Loaded``."""
        with self._wrap_errors():
            return str(self._client.get_load_state(self.collection)["state"])

    def _load_collection(self, *, wait: bool) -> None:
        arguments = {} if self.embedded else self.load_config.to_arguments()
        self._client.load_collection(self.collection, timeout=600, _async=not wait, **arguments)

    def require_query_nodes(self) -> None:
        """See that Milvus has the query nodes and the resource groups that ``load_config`` needs.

        Who may not list resource groups learns of it from the load itself.

        Raises:
            StoreError: it has not.
        """
        if self.embedded or self.load_config.is_default:
            return
        try:
            with self._wrap_errors():
                nodes = count_query_nodes(self._client)
        except StoreUnreachableError:
            raise
        except StoreError:
            return
        require_query_nodes(self.load_config, nodes)

    def loaded_replicas(self) -> list[Replica]:
        """The replicas that a server has loaded; none of an embedded collection, or of one that is not loaded."""
        if self.embedded or self._load_state() != "Loaded":
            return []
        with self._wrap_errors():
            return describe_replicas(self._client, self.collection)

    def has_configured_replicas(self) -> bool:
        """Whether the collection is loaded on as many replicas, and in the resource groups, as ``load_config`` says."""
        if self.embedded or self.load_config.is_default:
            return True
        loaded = self.loaded_replicas()
        return bool(loaded) and self.load_config.matches(loaded)

    def change_replicas(self) -> None:
        """Load a loaded collection as ``load_config`` says by now.

        Milvus from 2.4.13 on does so while it is searched; earlier ones refuse, and it is released and loaded again.

        Raises:
            StoreError: there is no such resource group, or there are too few query nodes; it stays as it is.
        """
        self.require_query_nodes()
        try:
            with self._wrap_errors():
                self._load_collection(wait=True)
        except StoreUnreachableError:
            raise
        except StoreError:
            self.release_collection()
            self.load_collection()

    def release_collection(self) -> None:
        """Release the collection, if it exists, so that it takes no memory of Milvus until it is loaded again."""
        with self._wrap_errors():
            if self._client.has_collection(self.collection):
                self._client.release_collection(self.collection)

    def is_loading(self) -> bool:
        """Whether a server is still loading the collection, so that a search would wait.

        After a crash of the server this takes half a minute.
        """
        if self.embedded:
            return False
        if (state := self._load_state()) != "Loaded":
            return state == "Loading"
        try:
            with self._wrap_errors():  # the state may be Loaded before any query node serves the collection
                self._client.query(self.collection, filter="id == -1", output_fields=["id"], timeout=_CALL_SECONDS)
        except StoreUnreachableError:
            raise
        except StoreError:
            return True
        return False
