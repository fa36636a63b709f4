"""The URL of a Redis that is several servers: those that Sentinels watch, or a cluster.

    redis+sentinel://[USER:PASSWORD@]HOST[:26379],HOST2[:26379]/SERVICE[/DATABASE]
    redis+cluster://[USER:PASSWORD@]HOST[:6379],HOST2[:6379]

With ``rediss+`` all connections are encrypted. User and password are those of the Redis servers; those of the Sentinels
themselves are the parameters ``sentinel_username`` and ``sentinel_password``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

__all__ = ["SENTINEL_PARAMETERS", "RedisNodes", "is_nodes_url"]

SENTINEL_PARAMETERS = {"sentinel_username": "username", "sentinel_password": "password"}
"""The parameters that are for the Sentinels alone, each with its name in the URL of a server."""


def is_nodes_url(location: str) -> bool:
    """Whether a location is the URL of Sentinels or of a cluster."""
    return bool(re.match(r"rediss?\+(sentinel|cluster)://", location))


@dataclass(frozen=True, slots=True)
class RedisNodes:
    """The parts of such a URL, still percent-encoded."""

    is_cluster: bool
    scheme: str
    """``redis``, or ``rediss`` for encrypted connections."""
    user: str
    hosts: tuple[str, ...]
    """The Sentinels, or some nodes of the cluster; each with its port, if it has one."""
    path: str
    query: str

    @classmethod
    def parse(cls, location: str) -> Self:
        """Split a URL into its parts.

        Raises:
            ValueError: it has none.
        """
        url = urlsplit(location)
        scheme, kind = url.scheme.split("+")
        user, _, hosts = url.netloc.rpartition("@")
        return cls(kind == "cluster", scheme, user, tuple(hosts.split(",")), url.path.strip("/"), url.query)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The hosts and their ports.

        Raises:
            ValueError: one has a port that is none.
        """
        default = 6379 if self.is_cluster else 26379
        parts = [urlsplit(f"//{host}") for host in self.hosts]
        return [(part.hostname or "", default if part.port is None else part.port) for part in parts]

    @property
    def service(self) -> str:
        """The name by which the Sentinels know the servers."""
        return self.path.partition("/")[0]

    @property
    def server_url(self) -> str:
        """The first host's URL as that of a Redis, with all that connections to the servers need."""
        own = [pair for pair in parse_qsl(self.query) if pair[0] not in SENTINEL_PARAMETERS]
        database = "" if self.is_cluster else self.path.partition("/")[2]
        return self._to_url(f"{self.user}@" if self.user else "", database, own)

    @property
    def sentinel_url(self) -> str:
        """The first host's URL as that of a Redis, with all that connections to the Sentinels need."""
        pairs = [
            (SENTINEL_PARAMETERS.get(name, name), value)
            for name, value in parse_qsl(self.query)
            if name not in SENTINEL_PARAMETERS.values()
        ]
        return self._to_url("", "", pairs)

    def _to_url(self, user: str, database: str, parameters: list[tuple[str, str]]) -> str:
        return f"{self.scheme}://{user}{self.hosts[0]}/{database}?{urlencode(parameters, quote_via=quote)}"
