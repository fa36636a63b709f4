"""Backs a solution up: what Milvus and Redis hold of it, and its YAML, as files that ``restore`` reads.

    items.parquet    items, ledger, vectors and what the encoder learnt, as ``vicinal export`` writes them
    failures.jsonl   the items that could not be indexed, and why
    state.json       what Redis knows of the solution as a whole, and its latest reports
    solution.yaml    the YAML, in which variables are not expanded, without secrets
    manifest.json    written last: what the files hold, and their hashes

Others may write meanwhile: each item is backed up as it is at one moment, see ``item_export``. Where a server
in another process holds the embedded Milvus, the vectors are read through it, and everything else from Redis.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import orjson

from vicinal.config.yaml_secrets import redact_yaml
from vicinal.errors import NothingIndexedError, StoreError, StoreMismatchError, VicinalError
from vicinal.plugin.encoder_calls import require_signature
from vicinal.solution.backup_manifest import FAILURES, ITEMS, STATE, YAML, BackupFile, Manifest
from vicinal.solution.backup_target import BackupFolder, BackupTarget
from vicinal.solution.handover import require_whole
from vicinal.solution.item_export import RowReader, write_items
from vicinal.solution.learning import restore_state
from vicinal.solution.remote import RemoteSolution, find_remote
from vicinal.solution.solution import Solution
from vicinal.stores.redis import MetadataStore

__all__ = ["BackupReport", "back_up"]

_LOCAL_STATE = {
    *("physical", "owner", "milvus", "yaml", "replaces", "previous", "restoring"),
    *("promotion", "promoting", "twin", "moved"),
}
"""What the state says of the stores that have the solution now, and of other generations."""


@dataclass(slots=True)
class BackupReport:
    """What a backup holds, where it is, and which older ones were removed.

    ``incomplete`` items were being written until the end, or lack vectors, and are not in it.
    """

    solution: str
    path: str
    items: int
    rows: int
    failures: int
    incomplete: int
    bytes: int
    removed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def back_up(
    solution: Solution,
    to: str,
    *,
    keep: int | None = None,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> BackupReport:
    """Write a backup of a solution to a folder, or a URL that fsspec knows, while it may be searched and written.

    Args:
        to: where backups are; each gets a folder of its own there, ``{name}/{time}``.
        keep: how many backups of the solution to keep there, this one included; by default all. While a backup lacks
            items that are ``incomplete``, none is removed.
        on_progress: is called with how many items are written, and how many there are.

    Raises:
        DependencyError: fsspec, or what it needs for this place, is not installed.
        NothingIndexedError: nothing is indexed yet.
        StoreBusyError: a process that is no server, or serves another config, holds the embedded Milvus; or a restore
            or a promotion has not ended.
        StoreMismatchError: the YAML does not describe what is indexed.
        VicinalError: the place cannot be written to; nothing is left there.
    """
    started = time.perf_counter()
    if keep is not None and keep < 1:
        raise VicinalError("keep must be at least 1", hint="1 keeps the backup that is made now alone")
    target = BackupTarget(to)
    # A solution that has Milvus open holds it itself.
    remote = None if "vectors" in solution.__dict__ else find_remote(solution.config)
    solution.follow()
    report = solution.read(partial(_write_backup, solution, remote, target, on_progress))
    if report.incomplete:
        report.warnings.append(
            f"{report.incomplete:,} items were being written, or lack vectors, and are not in the backup"
            + ("" if keep is None else ", so that no older one was removed")
            + "; `vicinal check` tells more"
        )
    elif keep is not None:
        _remove_old(target, keep, report)
    report.seconds = round(time.perf_counter() - started, 3)
    return report


def _write_backup(
    solution: Solution,
    remote: RemoteSolution | None,
    target: BackupTarget,
    on_progress: Callable[[int, int], object],
) -> BackupReport:
    identity = _require_complete(solution)
    rows = _open_rows(solution, remote)
    folder = target.create(solution.name)
    try:
        manifest = _write_files(solution, rows, folder, on_progress)
        solution.metadata.require_live()
        if _require_complete(solution) != identity:
            raise StoreError(f"{solution.name!r} was dropped meanwhile; no backup was made", hint="run this again")
        folder.write_manifest(manifest)
    except BaseException:
        _discard_backup(folder)
        raise
    return BackupReport(
        solution.name,
        folder.location,
        manifest.items,
        manifest.rows,
        manifest.failures,
        manifest.incomplete,
        manifest.size,
    )


def _require_complete(solution: Solution) -> tuple[Any, ...]:
    """See that the solution has all that it is to have: with ``keep``, backups of parts would replace whole ones.

    Returns:
        What is another once it has been dropped, or filled anew.

    Raises:
        StoreBusyError: it is being restored or promoted.
    """
    state = solution.metadata.state()
    require_whole(state, solution.name)
    return tuple(state.get(name) for name in ("owner", "physical", "created"))


def _write_files(
    solution: Solution, rows: RowReader, folder: BackupFolder, on_progress: Callable[[int, int], object]
) -> Manifest:
    metadata = solution.metadata
    files: dict[str, BackupFile] = {}
    if solution.yaml:
        files[YAML] = folder.write_file(YAML, redact_yaml(solution.yaml).encode())
    progress = _Progress(int(metadata.state().get("items", 0)), on_progress)
    with folder.create_file(ITEMS) as file:
        counts = write_items(file, solution.encoder, rows, metadata, progress.add)
    files[ITEMS] = file.description
    with folder.create_file(FAILURES) as file:
        failures = sum(1 for _ in map(file.write, _iter_failures(metadata)))
    files[FAILURES] = file.description
    files[STATE] = folder.write_file(STATE, _describe_state(metadata))
    return Manifest(
        solution=solution.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        signature=solution.encoder.fitted_signature,
        items=counts.items,
        rows=counts.rows,
        failures=failures,
        incomplete=counts.incomplete,
        versions={
            "vicinal": version("vicinal"),
            "milvus": _describe_engine(solution, rows),
            "redis": metadata.version(),
        },
        files=files,
    )


def _iter_failures(metadata: MetadataStore) -> Iterator[bytes]:
    for failure in metadata.iter_failures():
        yield orjson.dumps(failure.to_dict()) + b"\n"


@dataclass(slots=True)
class _Progress:
    total: int
    notify: Callable[[int, int], object]
    done: int = 0

    def add(self, items: int) -> None:
        self.done += items
        self.notify(self.done, max(self.total, self.done))


def _describe_state(metadata: MetadataStore) -> bytes:
    """The state without what only the stores have that hold it now; with the reports."""
    state = {name: value for name, value in metadata.state().items() if name not in _LOCAL_STATE}
    reports = {kind: orjson.Fragment(report) for kind, report in metadata.read_reports().items()}
    return orjson.dumps({"state": state, "reports": reports}, option=orjson.OPT_INDENT_2)


def _open_rows(solution: Solution, remote: RemoteSolution | None) -> RowReader:
    """What the vectors are read from; the encoder has then what it learnt.

    Raises:
        NothingIndexedError, StoreMismatchError: as ``back_up`` does.
    """
    if remote is None:
        solution._searcher.get()
        return solution  # which waits for an index that is built, and for a collection that is loaded again
    metadata = solution.metadata
    state = metadata.state()
    if not state.get("rows"):
        raise NothingIndexedError(f"nothing is indexed in {solution.name!r} yet", hint="run `vicinal ingest` first")
    restore_state(solution.encoder, metadata)
    if (signature := require_signature(solution.encoder)) != state["signature"]:
        raise StoreMismatchError(
            f"{solution.name!r} was built with encoder {state['signature']!r}, which is now {signature!r}",
            hint="undo what changed in the YAML, or run `vicinal reindex`",
        )
    return remote


def _describe_engine(solution: Solution, rows: RowReader) -> str:
    if isinstance(rows, RemoteSolution):
        return str(rows.status()["stores"]["milvus"]["engine"])
    return str(solution.vectors.engine)


def _discard_backup(folder: BackupFolder) -> None:
    """Remove what was written of a backup, as far as that is possible; it is none without its manifest."""
    try:
        folder.remove()
    except VicinalError:
        return


def _remove_old(target: BackupTarget, keep: int, report: BackupReport) -> None:
    """Remove all backups but the newest, and what old broken-off ones have left; a failure is a warning."""
    try:
        for folder in [*target.list_backups(report.solution)[:-keep], *target.list_abandoned(report.solution)]:
            folder.remove()
            report.removed.append(folder.location)
    except VicinalError as error:
        report.warnings.append(f"the backup is complete, and not all old ones were removed: {error}")
