"""Restores a solution from a backup: nothing is encoded, and the ledger is what it was.

Every file is verified by its hash before anything is written. A restore that ends half way leaves the mark
``restoring`` in the solution's state, and the next one of the same backup continues it: items that are written already
are unchanged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from vicinal.errors import ItemError, StoreBusyError, StoreMismatchError, VicinalError
from vicinal.ingest.batch import Batch
from vicinal.ingest.changes import extract_fields
from vicinal.plugin.state import unpack_state
from vicinal.solution.backup_manifest import FAILURES, ITEMS, STATE, Manifest
from vicinal.solution.backup_target import BackupFolder, BackupTarget
from vicinal.solution.handover import require_writable
from vicinal.solution.item_import import import_items, iter_metadata, read_fitted_state
from vicinal.solution.learning import adopt_state
from vicinal.solution.solution import Solution
from vicinal.stores.writer_lock import ReindexLock, WriterLock
from vicinal.types import Failure

__all__ = ["RestoreReport", "describe_backups", "restore"]

_FAILURES_AT_ONCE = 1_000


@dataclass(slots=True)
class RestoreReport:
    """What was restored, and from where.

    ``written`` items were not there yet; ``consistent`` is what ``vicinal check`` finds of the stores afterwards.
    """

    solution: str
    path: str
    created: str
    items: int
    rows: int
    failures: int
    written: int
    consistent: bool
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def describe_backups(solution: str, location: str) -> list[dict[str, Any]]:
    """The complete backups of a solution at a place, the oldest first.

    Returns:
        Of each ``path``, ``created``, ``items``, ``rows``, ``failures`` and ``bytes``; ``problem`` is empty, or says
        why one cannot be read here, as that of a newer version, and the others are None then.
    """
    names = ("created", "items", "rows", "failures", "size")
    found = []
    for folder in BackupTarget(location).list_folders(solution):
        problem = ""
        try:
            if (manifest := folder.read_manifest()) is None:
                continue
        except VicinalError as error:
            manifest, problem = None, str(error)
        described = {name: getattr(manifest, name, None) for name in names}
        size = described.pop("size")
        found.append({"path": folder.location, **described, "bytes": size, "problem": problem})
    return found


def restore(
    solution: Solution,
    from_: str,
    *,
    replace: bool = False,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> RestoreReport:
    """Fill a solution with what a backup holds; the backup may be of a solution of another name, and other stores.

    Args:
        from_: a backup, or a place with backups, of which the newest of this solution is taken.
        replace: whether what the solution holds is removed first, once the backup is found to be whole.
        on_progress: is called with how many items are there, and how many there are.

    Raises:
        StoreMismatchError: the solution has items, or the backup's vectors are of another encoder.
        StoreBusyError: another process writes to this solution, or holds its embedded Milvus.
        VicinalError: there is no backup, or it is damaged; nothing is changed.
    """
    started = time.perf_counter()
    folder = BackupTarget(from_).find(solution.name)
    manifest = folder.read_manifest()
    if manifest is None:
        raise VicinalError(f"{folder.location} was removed just now")
    folder.verify(manifest)
    fitted = _read_fitted(folder) if solution.encoder.learns else b""
    _require_same_encoder(solution, manifest, fitted, folder)
    _require_fields(solution, folder)
    _prepare_solution(solution, folder, fitted, replace=replace)
    written = _import_items(solution, folder, manifest, on_progress)
    found = solution.check()
    return RestoreReport(
        solution.name,
        folder.location,
        manifest.created,
        found.items,
        found.rows,
        manifest.failures,
        written,
        found.consistent and (found.items, found.rows) == (manifest.items, manifest.rows),
        round(time.perf_counter() - started, 3),
    )


def _read_fitted(folder: BackupFolder) -> bytes:
    with folder.open_file(ITEMS) as file:
        return read_fitted_state(file)


def _require_same_encoder(solution: Solution, manifest: Manifest, fitted: bytes, folder: BackupFolder) -> None:
    """
    Raises:
        StoreMismatchError: another encoder made the vectors.
    """
    encoder = solution.create_encoder()
    if fitted:
        encoder.restore(unpack_state(fitted))
    if encoder.fitted_signature != manifest.signature:
        raise StoreMismatchError(
            f"the vectors in {folder.location} were made by encoder {manifest.signature}, not by"
            f" {encoder.fitted_signature}",
            hint="restore it with the YAML file that it holds, solution.yaml",
        )


def _require_fields(solution: Solution, folder: BackupFolder) -> None:
    """See, before anything is removed or written, that every item has the fields that the YAML declares.

    Raises:
        VicinalError: one has not.
    """
    specs = solution.config.field_specs
    if dict(solution.config.fields) == orjson.loads(folder.read_file(STATE))["state"].get("fields"):
        return
    with folder.open_file(ITEMS) as file:
        for item in iter_metadata(file):
            try:
                extract_fields(item, specs)
            except ItemError as error:
                raise VicinalError(
                    f"{item.key!r} in {folder.location} does not fit the YAML: {error}",
                    hint="the backup was made with other `fields`; solution.yaml in it has them",
                ) from error


def _prepare_solution(solution: Solution, folder: BackupFolder, fitted: bytes, *, replace: bool) -> None:
    """Have the solution hold nothing, or a part of this backup, and its encoder know what it had learnt.

    Raises:
        StoreMismatchError: it holds something else, or was promoted to other stores.
        StoreBusyError: another process writes to it, or it is being promoted to these stores.
    """
    with WriterLock(solution.metadata):
        ReindexLock.require_free(solution.metadata)
        solution.follow()
        state = solution.metadata.state()
        require_writable(state, solution.name)
        if state.get("restoring") != folder.stamp:
            if (items := state.get("items")) and not replace:
                raise StoreMismatchError(
                    f"{solution.name!r} holds {items:,} items already",
                    hint="--replace removes them first; or restore into a solution of another name",
                )
            if state:
                solution._drop_everything()
        adopt_state(solution.encoder, fitted, solution.metadata)


def _import_items(
    solution: Solution, folder: BackupFolder, manifest: Manifest, on_progress: Callable[[int, int], object]
) -> int:
    """Write what is not there yet; returns how many items that were.

    Raises:
        StoreBusyError: another process has written since it was prepared.
    """
    with solution._open_for_writing() as lock, folder.open_file(ITEMS) as file:
        metadata = solution.metadata
        state = metadata.state()
        if state.get("items") and state.get("restoring") != folder.stamp:
            raise StoreBusyError(
                f"another process has begun to fill {solution.name!r}", hint="let that end, and run this again"
            )
        metadata.set_state(restoring=folder.stamp)
        batches = import_items(file, solution.encoder, solution.config.field_specs, metadata, folder.location)
        report = solution._new_run(lock=lock).write_batches(_count_items(batches, manifest.items, on_progress))
        solution._collection.make_searchable(report.new + report.updated)
        _restore_state(solution, folder)
        metadata.set_state(restoring=None)
    return report.new + report.updated


def _count_items(batches: Iterator[Batch], total: int, notify: Callable[[int, int], object]) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        done += len(batch.items)
        notify(done, total)


def _restore_state(solution: Solution, folder: BackupFolder) -> None:
    metadata = solution.metadata
    kept = orjson.loads(folder.read_file(STATE))
    times = {name: kept["state"][name] for name in ("created", "updated") if name in kept["state"]}
    if times:
        metadata.set_state(**times)
    for kind, report in kept["reports"].items():
        metadata.keep_report(kind, orjson.dumps(report))
    with folder.open_file(FAILURES) as file:
        failures: list[Failure] = []
        for line in file:
            failures.append(Failure(**orjson.loads(line)))
            if len(failures) == _FAILURES_AT_ONCE:
                metadata.add_failures(failures)
                failures = []
        metadata.add_failures(failures)
