"""Who of two pairs of stores takes the writes of a solution that was copied from one to the other (``promote``).

What a solution's state has of that, each with the places of the other pair, ``milvus`` and ``redis``, without secrets,
and with the ``owner`` of that (``solution.ownership``), by which it is known: the name of a machine may change, as that
of a container does.

- ``promotion``: items are being copied here from those, and not all of them are here yet. Nobody else writes.
- ``promoting``: they are being copied from here to those, or a promotion to those was interrupted. The next ingest
  clears it.
- ``twin``: those had the same items when a copy was complete; ``revision`` is the state's own at that moment, which
  rises with every write. While it is the same, nothing here is newer than there, and the next copy may replace it.
- ``moved``: those take the writes now. Searches go on here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vicinal.config.models import StoresConfig
from vicinal.errors import StoreBusyError, StoreMismatchError
from vicinal.solution.ownership import describe_home

__all__ = [
    "describe_promotion",
    "describe_side",
    "describe_stores",
    "require_replaceable",
    "require_whole",
    "require_writable",
]


def describe_stores(stores: StoresConfig) -> dict[str, str]:
    """The places of both stores, without secrets; with this machine's name where they are known only here."""
    return {"milvus": describe_home(stores.milvus), "redis": describe_home(stores.redis)}


def describe_side(state: Mapping[str, Any], stores: StoresConfig) -> dict[str, str]:
    """One of both pairs, as the state of the other has it."""
    return {"owner": state.get("owner", ""), **describe_stores(stores)}


def describe_promotion(state: Mapping[str, Any]) -> dict[str, Any] | None:
    """What ``status`` says of a promotion; None where there was none since the last reindex.

    Returns:
        The places of the other pair, ``milvus`` and ``redis``, and the ``state``: ``incomplete`` (not all is here yet
        of what those have), ``moved`` (those take the writes now), ``begun`` (not all is there yet) or ``copied``; of
        the last ``written_since`` says whether something was written here afterwards.
    """
    for name, mark in (("incomplete", "promotion"), ("moved", "moved"), ("begun", "promoting"), ("copied", "twin")):
        if side := state.get(mark):
            was_written = side["revision"] != state.get("revision", 0) if mark == "twin" else None
            return {"state": name, "milvus": side["milvus"], "redis": side["redis"], "written_since": was_written}
    return None


def require_writable(state: Mapping[str, Any], name: str) -> None:
    """See that a solution with this state is written here.

    Raises:
        StoreBusyError: it is being copied to these stores.
        StoreMismatchError: it was moved to others.
    """
    _require_promoted(state, name)
    if moved := state.get("moved"):
        raise StoreMismatchError(
            f"{name!r} was promoted to {moved['milvus']} and {moved['redis']}, which take its writes now; it is only"
            " searched here",
            hint="start this process again with the YAML as it is now; `vicinal promote` copies it back, and"
            " `vicinal promote --release` has these stores take writes again",
        )


def require_whole(state: Mapping[str, Any], name: str) -> None:
    """See that all is here that there is to be, so that no copy and no backup of a part is taken for the whole.

    Raises:
        StoreBusyError: it is being promoted to these stores, or restored.
    """
    _require_promoted(state, name)
    if state.get("restoring"):
        raise StoreBusyError(
            f"{name!r} is being restored, and not all of it is here yet",
            hint="let that end, or run the same `vicinal restore` again, which continues it; or `vicinal reindex` makes"
            " it whole from its source",
        )


def _require_promoted(state: Mapping[str, Any], name: str) -> None:
    """
    Raises:
        StoreBusyError: it is being copied to these stores.
    """
    if unfinished := state.get("promotion"):
        raise StoreBusyError(
            f"{name!r} is being promoted to these stores from {unfinished['milvus']}, and not all of it is here yet",
            hint="run the same `vicinal promote` again to continue, or `vicinal drop` to remove what is here",
        )


def require_replaceable(state: Mapping[str, Any], name: str, place: str, origin: Mapping[str, str]) -> bool:
    """See that a target with this state has nothing but what was copied from ``origin``, or was copied to it.

    Args:
        origin: the other pair, as ``describe_side`` has it.

    Returns:
        Whether a copy to it has begun or ended before.

    Raises:
        StoreMismatchError: it has other data, or newer ones.
    """
    if not state.get("items") and not state.get("promotion"):
        return False
    known = state.get("promotion") or state.get("twin") or {}
    identity = ("owner",) if origin["owner"] else ("milvus", "redis")  # without an owner where an older version made it
    if any(known.get(name_) != origin[name_] for name_ in identity):
        raise StoreMismatchError(
            f"{place} has {state.get('items', 0):,} items of a solution called {name!r} that were not copied from here",
            hint="promote to other stores, give this solution another name, or remove those first: `vicinal drop` with"
            " MILVUS_URI and REDIS_URL set to them",
        )
    if not state.get("promotion") and known["revision"] != state.get("revision", 0):
        raise StoreMismatchError(
            f"{place} has items of {name!r} that were written after it was copied, and are not here",
            hint="promote from there to here, which is the other direction; or remove those first: `vicinal drop` with"
            " MILVUS_URI and REDIS_URL set to them",
        )
    return True
