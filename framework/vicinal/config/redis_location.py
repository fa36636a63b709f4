"""Where a solution's Redis may be: a folder, or the URL of a server, of Sentinels or of a cluster."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qsl, urlsplit

from vicinal.config.redis_nodes import SENTINEL_PARAMETERS, RedisNodes, is_nodes_url

__all__ = ["redis_location_problem"]

_SENTINEL_FORM = "redis+sentinel://HOST:26379,HOST2:26379/SERVICE/0"
_CLUSTER_FORM = "redis+cluster://HOST:6379,HOST2:6379"
_FORMS = (
    "a folder, or a URL such as redis://HOST:6379/0, rediss://HOST:6379/0, unix:///PATH,"
    f" {_SENTINEL_FORM} or {_CLUSTER_FORM}"
)
_ENCODE = "must have the characters @ : / ? # % of a password percent-encoded, and a port from 1 to 65535"


def _is_float(value: str) -> bool:
    return bool(re.fullmatch(r"[0-9]+(\.[0-9]+)?", value)) and float(value) > 0


_CHECKS: dict[str, Callable[[str], object]] = {
    "username": bool,
    "password": bool,
    "client_name": bool,
    "db": str.isdecimal,
    "health_check_interval": str.isdecimal,
    "socket_timeout": _is_float,
    "socket_connect_timeout": _is_float,
}
_TLS_CHECKS: dict[str, Callable[[str], object]] = {
    "ssl_ca_certs": bool,
    "ssl_ca_path": bool,
    "ssl_cert_reqs": {"none", "optional", "required"}.__contains__,
    "ssl_certfile": bool,
    "ssl_check_hostname": {"true", "false"}.__contains__,
    "ssl_keyfile": bool,
    "ssl_password": bool,
}


def redis_location_problem(location: str) -> str:
    """Say why a location is none of Redis; an empty text when it is one.

    The client takes what it does not understand for something else or fails late: ``localhost:6379`` would be a folder,
    ``redis://host/abc`` database 0. A location may hold a password, so the text repeats only the names of parameters.
    """
    if location != location.strip():
        return "must not begin or end with a space or a line break"
    if "://" not in location:
        return _path_problem(location)
    if is_nodes_url(location):
        return _nodes_problem(location)
    scheme = location.partition("://")[0]
    if scheme not in ("redis", "rediss", "unix"):
        return f"must be {_FORMS}" + ("; a Valkey's has these schemes, too" if scheme.startswith("valkey") else "")
    try:
        url = urlsplit(location)
        is_valid = url.port != 0 and not url.fragment
    except ValueError:
        is_valid = False
    if not is_valid or (url.netloc and "@" in url.path + url.query):
        return _ENCODE
    return (_socket_problem(url) if scheme == "unix" else _database_problem(url)) or _parameter_problem(url)


def _nodes_problem(location: str) -> str:
    try:
        url = urlsplit(location)
        nodes = RedisNodes.parse(location)
        is_valid = all(port for _, port in nodes.addresses) and not url.fragment and "@" not in url.path + url.query
    except ValueError:
        is_valid = False
    if not is_valid:
        return _ENCODE
    if "@" in nodes.user:
        return f"{_ENCODE}, and user and password once, before the first host"
    if not all(re.fullmatch(r"\S+", host) for host, _ in nodes.addresses):
        return f"must name its hosts, with a comma between two, as {_SENTINEL_FORM} or {_CLUSTER_FORM}"
    if nodes.is_cluster and nodes.path not in ("", "0"):
        return f"must have no database but 0, as {_CLUSTER_FORM}: a Redis Cluster has no other"
    if not nodes.is_cluster and not re.fullmatch(r"(?![0-9]+(/|$))[A-Za-z0-9._-]+(/[0-9]+)?", nodes.path):
        return f"must name the service that the Sentinels watch, and the database by its number, as {_SENTINEL_FORM}"
    return _parameter_problem(url)


def _path_problem(location: str) -> str:
    """Find what was meant as a URL or as a server's address; a folder of such a name is written with ``./`` before."""
    if re.fullmatch(r"([\w.-]+|\[[0-9a-f:]+\])?:[0-9]+(/[0-9]*)?|localhost|[0-9]+(\.[0-9]+){3}", location):
        host = f"localhost{location}" if location.startswith(":") else location
        return f"must be {_FORMS}, did you mean redis://{host}?"
    looks_like_url = re.match(r"(rediss?(\+[a-z]+)?|unix|valkeys?|https?|tcp):|[^/]*:.*@|[^/]*:[0-9]|//", location)
    return f"must be {_FORMS}" if looks_like_url else ""


def _database_problem(url: SplitResult) -> str:
    if "," in (url.hostname or ""):
        return f"must have one host; several are those of {_SENTINEL_FORM} or {_CLUSTER_FORM}"
    return "" if re.fullmatch(r"/?[0-9]*", url.path) else "must name the database by its number, as redis://HOST:6379/0"


def _socket_problem(url: SplitResult) -> str:
    host = url.netloc.rpartition("@")[2]
    return "must have the socket's path after three slashes, as unix:///run/redis.sock" if host or not url.path else ""


def _parameter_problem(url: SplitResult) -> str:
    known = _CHECKS | (_TLS_CHECKS if url.scheme.startswith("rediss") else {})
    if "+" in url.scheme:
        del known["db"]
    if url.scheme.endswith("+sentinel"):
        known |= dict.fromkeys(SENTINEL_PARAMETERS, bool)
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name in _TLS_CHECKS and name not in known:
            return f"must begin with {re.sub('^(redis|unix)', 'rediss', url.scheme)}:// for the parameter {name}"
        if name not in known:
            unknown = f"the parameter {name}" if re.fullmatch(r"[a-z_]{1,40}", name) else "parameters of other names"
            return f"must not have {unknown}; known: {', '.join(sorted(known))}"
        if not known[name](value):
            return f"must have another value of the parameter {name}"
    return ""
