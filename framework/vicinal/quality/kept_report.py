"""The latest report of a solution, kept in Redis for its page: JSON of a few hundred kB at most."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from vicinal.errors import StoreError
from vicinal.quality.model_report import ModelReport
from vicinal.quality.report_texts import describe_report, list_findings
from vicinal.quality.search_report import SearchReport
from vicinal.solution.solution import Solution

__all__ = ["Version", "keep_report", "read_kept_report", "read_version"]

Version = list[Any]
"""What changes when the items of a collection do."""


def read_version(state: Mapping[str, Any]) -> Version:
    """The version of a collection in this state."""
    return [state.get("created"), state.get("owner"), state.get("revision"), int(state.get("items", 0))]


def keep_report(solution: Solution, report: SearchReport | ModelReport, version: Version | None = None) -> None:
    """Keep a report in the place of the one before; a warning is added to it where Redis refuses that.

    Nothing is kept of a solution that has not been ingested.

    Args:
        version: the collection's before it was evaluated; by default it is read now.
    """
    try:
        version = version or read_version(solution.metadata.state())
        if version[0] is not None:
            solution.metadata.keep_evaluation(_dump(report, version))
    except StoreError as error:
        report.warnings.append(f"the report is not kept for the solution's page: {error}")


def read_kept_report(solution: Solution) -> dict[str, Any] | None:
    """The latest report as JSON; None where there is none.

    ``kind`` is ``searches`` or ``model``, ``evaluated`` the time, ``is_current`` whether the collection has not changed
    since, ``summary`` and ``findings`` are sentences, ``report`` is what ``evaluate --json`` prints, and ``details``
    what ``SearchDetails.to_dict`` returns, or null.
    """
    if (data := solution.metadata.read_evaluation()) is None:
        return None
    kept = orjson.loads(data)
    is_current = kept.pop("version") == read_version(solution.metadata.state())
    return {"solution": solution.name, **kept, "is_current": is_current}


def _dump(report: SearchReport | ModelReport, version: Version) -> bytes:
    details = report.details if isinstance(report, SearchReport) else None
    kept = {
        "kind": "searches" if isinstance(report, SearchReport) else "model",
        "evaluated": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": version,
        "summary": describe_report(report),
        "findings": list_findings(report),
        "report": report.to_dict(),
        "details": details.to_dict() if details else None,
    }
    return orjson.dumps(kept, default=str)
