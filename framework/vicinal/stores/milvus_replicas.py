"""In-memory replicas of a collection: how many query nodes hold it, in which resource groups, and what Milvus has.

A resource group is a set of query nodes. Each replica is on query nodes of its own, in one group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.errors import StoreError

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["LoadConfig", "Replica", "count_query_nodes", "describe_replicas", "require_query_nodes"]

_CHANGE_HINT = "add query nodes to Milvus, or change `index.replicas` or `index.resource_groups`"


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica that Milvus has loaded, and the ids of the query nodes that hold it."""

    resource_group: str
    query_nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LoadConfig:
    """How a collection is loaded. Without ``replicas`` and ``resource_groups`` Milvus' own configuration decides."""

    replicas: int | None = None
    resource_groups: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        return self.replicas is None and not self.resource_groups

    @property
    def needs_server(self) -> bool:
        """Whether Milvus Lite, which is one process, cannot do it."""
        return (self.replicas or 1) > 1 or bool(self.resource_groups)

    def __str__(self) -> str:
        count = self.replicas or 1
        groups = f" in resource group {', '.join(self.resource_groups)}" if self.resource_groups else ""
        return f"{count} replica{'s' if count > 1 else ''}{groups}"

    def to_arguments(self) -> dict[str, Any]:
        """The arguments of Milvus' ``load_collection``."""
        groups = {"_resource_groups": list(self.resource_groups)} if self.resource_groups else {}
        return groups if self.replicas is None else {"replica_number": self.replicas, **groups}

    def matches(self, loaded: Sequence[Replica]) -> bool:
        """Whether a collection with these replicas is loaded as this says."""
        groups = {replica.resource_group for replica in loaded}
        return self.replicas in (None, len(loaded)) and (not self.resource_groups or groups == {*self.resource_groups})


def describe_replicas(client: MilvusClient, collection: str) -> list[Replica]:
    """The replicas of a loaded collection, in Milvus' order. Errors of Milvus' client are not translated here."""
    return [
        Replica(replica.resource_group, tuple(sorted(replica.group_nodes)))
        for replica in client.describe_replica(collection)
    ]


def count_query_nodes(client: MilvusClient) -> dict[str, int]:
    """The number of query nodes of each resource group. Errors of Milvus' client are not translated here."""
    groups = client.list_resource_groups()
    return {group: int(client.describe_resource_group(group).num_available_node) for group in groups}


def require_query_nodes(load_config: LoadConfig, nodes: Mapping[str, int]) -> None:
    """See that the resource groups exist and have enough query nodes; ``nodes`` has the number of each group that is.

    Raises:
        StoreError: one is missing, or there are too few query nodes.
    """
    groups = load_config.resource_groups
    if missing := [group for group in groups if group not in nodes]:
        raise StoreError(
            f"Milvus has no resource group {', '.join(map(repr, missing))}",
            hint=f"it has: {', '.join(sorted(nodes))}; create one in Milvus, or change `index.resource_groups`",
        )
    if empty := [group for group in groups if not nodes[group]]:
        raise StoreError(f"resource group {', '.join(map(repr, empty))} has no query node", hint=_CHANGE_HINT)
    if (count := sum(nodes[group] for group in groups or nodes)) < (load_config.replicas or 1):
        raise StoreError(
            f"Milvus cannot load {load_config}: each needs a query node of its own, and there"
            f" {'is' if count == 1 else 'are'} {count}",
            hint=_CHANGE_HINT,
        )
