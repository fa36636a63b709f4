"""The latest reports of a solution, kept in Redis for its page: JSON of a few hundred kB at most."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import orjson

from vicinal.errors import StoreError
from vicinal.solution.solution import Solution

__all__ = ["ReportKind", "Version", "keep_report", "read_kept_reports", "read_version"]

ReportKind: TypeAlias = Literal["evaluation", "self_test", "tuning"]

Version: TypeAlias = list[Any]
"""What changes when the items of a collection do."""


def read_version(state: Mapping[str, Any]) -> Version:
    """The version of a collection in this state."""
    return [state.get("created"), state.get("owner"), state.get("revision"), int(state.get("items", 0))]


def keep_report(
    solution: Solution, kind: ReportKind, content: Mapping[str, Any], version: Version | None = None
) -> list[str]:
    """Keep a report in the place of the one of its kind before.

    Nothing is kept of a solution that has not been ingested.

    Args:
        content: what ``read_kept_reports`` returns of it, without the time and whether it is current.
        version: the collection's before it was measured; by default it is read now.

    Returns:
        A warning where Redis refuses that.
    """
    try:
        version = version or read_version(solution.metadata.state())
        if version[0] is not None:
            measured = datetime.now(UTC).isoformat(timespec="seconds")
            kept = {"measured": measured, "version": version, **content}
            solution.metadata.keep_report(kind, orjson.dumps(kept, default=str))
    except StoreError as error:
        return [f"the report is not kept for the solution's page: {error}"]
    return []


def read_kept_reports(solution: Solution) -> dict[str, dict[str, Any]]:
    """The latest reports as JSON by their kinds: ``evaluation``, ``self_test``, ``tuning``.

    Of each, ``measured`` is the time, ``is_current`` whether the collection has not changed since, ``summary`` and
    ``findings`` are sentences, and ``report`` is what the command prints with ``--json``. An evaluation has
    ``details``, too: what ``SearchDetails.to_dict`` returns, or null for that of a model.
    """
    found = {kind: orjson.loads(data) for kind, data in solution.metadata.read_reports().items()}
    version = read_version(solution.metadata.state()) if found else None
    return {kind: {**kept, "is_current": kept.pop("version") == version} for kind, kept in found.items()}
