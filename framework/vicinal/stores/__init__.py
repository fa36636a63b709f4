"""The stores of a solution: vectors in Milvus, metadata and ledger in Redis, each embedded or a server.

Imports config, the plugin contract, toolkit, types and errors.
"""

from __future__ import annotations

import re

__all__ = ["redact_url"]


def redact_url(location: str) -> str:
    """Return a store's path or URI as messages show it, without anything that may be secret.

    A password may hold any character, so everything before the last ``@`` is left out; a parameter's name may be
    percent-encoded, so the values of all parameters but ``db`` are.
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        return re.sub(r"^.*:.*@", "…@", location)
    address, mark, query = re.split(r"([?#])", rest + "?", maxsplit=1)
    if "@" in query:
        return f"{scheme}://…"
    user = "…@" if "@" in address else ""
    parameters = mark + "&".join(map(_redact_parameter, query.removesuffix("?").split("&"))) if query else ""
    return f"{scheme}://{user}{address.rpartition('@')[2]}{parameters}"


def _redact_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    return parameter if re.fullmatch(r"(db=[0-9]+)?", parameter) else f"{name}=…" if equals else "…"
