"""The results of a benchmark, a row for each index and setting: for programs, as a table, as a page.

Figures that VectorDBBench has are called as it calls them: ``qps``, ``recall``, ``load_duration``,
``serial_latency_p99``, ``conc_qps_list`` … Latencies are milliseconds, durations seconds, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vicinal.config.indexes import INDEXES

__all__ = ["Report", "build_report"]

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark's results: facts of the data and the engine, and a case for each index and setting."""

    name: str
    facts: Mapping[str, Any]
    cases: Sequence[Mapping[str, Any]]
    limit: int
    """Of the latencies and the throughput."""
    warnings: Sequence[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.facts,
            "limit": self.limit,
            "cases": list(self.cases),
            "warnings": list(self.warnings),
        }


def build_report(name: str, records: Sequence[Record], limit: int, warnings: Sequence[str]) -> Report:
    """Put the records of a run together."""
    facts = next((record for record in records if record["kind"] == "insert"), {})
    facts = {key: value for key, value in facts.items() if key not in ("kind", "key")}
    flat = [_to_p50(record, limit) for record in records if record["kind"] == "search" and _is_exact(record)]
    cases = []
    for record in records:
        if record["kind"] == "search":
            same = [other for other in records if _identify_setting(other)[:2] == _identify_setting(record)[:2]]
            cases.append(_build_case(record, same, limit, min(flat, default=None), int(facts.get("rows", 0))))
    return Report(name, facts, cases, limit, [*warnings, *_find_unproven(cases)])


def _build_case(record: Record, same: Sequence[Record], limit: int, flat: float | None, rows: int) -> dict[str, Any]:
    main = record["limits"][str(limit)]
    case = {"index": record["index"], "params": record["params"], "search": record["search"]}
    case |= {
        "recall": main["recall"]["value"],
        "recall_low": main["recall"]["low"],
        "recall_high": main["recall"]["high"],
    }
    case |= {f"serial_latency_{name}": main["latency_ms"][name] for name in ("p50", "p95", "p99")}
    case["limits"] = record["limits"]
    for other in same:
        if other["kind"] != "search" and other["search"] in ({}, record["search"]):
            case |= {key: value for key, value in other.items() if key not in _COMMON}
    return {**case, "proof": _prove_index_use(record, same, limit, flat, rows)}


_COMMON = ("kind", "key", "index", "params", "search", "rows")


def _prove_index_use(
    record: Record, same: Sequence[Record], limit: int, flat: float | None, rows: int
) -> dict[str, Any]:
    """What shows that searches use the index: an index that is not used answers exactly, and as slowly as FLAT."""
    build = next((other for other in same if other["kind"] == "build"), {})
    smallest = next(other for other in same if other["kind"] == "search")
    recall = smallest["limits"][str(limit)]["recall"]["value"]
    indexed = build.get("rows_indexed")
    proof: dict[str, Any] = {"rows_indexed": indexed, "all_rows_indexed": None if indexed is None else indexed >= rows}
    if _is_exact(record):
        return proof
    proof |= {"smallest_recall": recall, "is_approximate": recall < 1}
    return {**proof, "is_quicker_than_flat": None if flat is None else _to_p50(smallest, limit) < flat}


def _find_unproven(cases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A warning for each index that nothing shows to be in use."""
    for name in dict.fromkeys((case["index"], str(case["params"])) for case in cases):
        proof = next(case["proof"] for case in cases if (case["index"], str(case["params"])) == name)
        if proof["all_rows_indexed"] is False:
            yield f"{name[0]}: not all rows are indexed"
        if proof.get("is_approximate") is False:
            yield f"{name[0]} finds everything at its smallest setting: choose smaller ones, or it may not be in use"
        if proof.get("is_quicker_than_flat") is False:
            yield f"{name[0]} is not quicker than FLAT at its smallest setting: few rows, or it is not in use"


def _is_exact(record: Record) -> bool:
    return INDEXES[record["index"]].is_exact


def _to_p50(record: Record, limit: int) -> float:
    return float(record["limits"][str(limit)]["latency_ms"]["p50"])


def _identify_setting(record: Record) -> tuple[str, str, str]:
    return record.get("index", ""), str(record.get("params", "")), str(record.get("search", ""))
