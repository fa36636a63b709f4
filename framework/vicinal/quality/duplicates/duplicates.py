"""Groups of near-equal items, and which of each to keep. Nothing is removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vicinal.config.indexes import INDEXES
from vicinal.errors import VicinalError
from vicinal.quality.duplicates.choice import ItemFacts, Keep, Preference, read_facts
from vicinal.quality.duplicates.item_distances import ItemDistances, choose_item_metric, to_distance, to_similarity
from vicinal.quality.duplicates.near_items import NearItems, Progress
from vicinal.quality.duplicates.report import DuplicateGroup, DuplicateItem, DuplicateReport
from vicinal.quality.duplicates.stored_vectors import StoredVectors, open_stored_vectors
from vicinal.solution.solution import Solution
from vicinal.toolkit.slices import iter_slices

__all__ = ["DEFAULT_SIMILARITY", "find_duplicates"]

DEFAULT_SIMILARITY = 0.95
_TOLERANCE = 1e-7
"""Of the similarity, for rounding: that of equal vectors may be 1 - 1e-16, and 1 - (1 - 1/5) is less than 1/5."""
_MAX_EXACT_NUMBERS = 30_000_000
"""Of all vectors together, up to which comparing them takes no longer than searching for each.

A search takes 0.8 ms of each vector, on Milvus Lite; a comparison of it with 250,000 others of 128 dimensions 1.3 ms of
one core, of which two work.
"""
_RECORDS_PER_FETCH = 500


def find_duplicates(
    solution: Solution,
    similarity: float = DEFAULT_SIMILARITY,
    keep: Keep = "largest",
    *,
    field: str = "",
    exact: bool | None = None,
    progress: Progress = bool,
) -> DuplicateReport:
    """Find groups of near-equal items, connected by pairs of at least this similarity.

    The similarity of two items is what a search by one gives the other: cosine, Tanimoto, or 1 / (1 + distance) for
    L2; under IP it is the cosine. Of items of several segments it is the mean, over the segments of the one that has
    fewer, of each one's best match in the other: an excerpt is near-equal to the whole.

    Memory holds about 60 bytes for each row, and the items of groups; vectors go to a temporary file.

    Args:
        similarity: more than 0, at most 1.
        keep: which item of near-equal ones to keep: the one with the most bytes, the most seconds or characters, or
            the earliest change of its file; of equal ones the larger, then the one with the shorter key.
        field: the metadata field whose value it is chosen by, in place of size, length or time.
        exact: whether to compare all items with each other, in place of finding pairs through the index, which may
            miss some. By default where that takes about as long, where the index itself compares with every vector,
            and under IP where vectors have different lengths, by which the index orders them.
        progress: receives the share of the comparisons that is done; what it raises ends the work.

    Raises:
        NothingIndexedError: nothing is indexed.
        VicinalError: the similarity is out of range, no item has what it is chosen by, or the folder of temporary
            files has too little space.
    """
    started = time.perf_counter()
    _require_similarity(similarity)
    preference = Preference(keep, field)
    report = solution.read(lambda: _find_in_solution(solution, similarity, preference, exact, progress))
    return replace(report, seconds=time.perf_counter() - started)


def _require_similarity(similarity: float) -> None:
    if not 0.0 < similarity <= 1.0:
        raise VicinalError(f"similarity is {similarity}", hint="it is more than 0, and at most 1: 0.95, say")


def _find_in_solution(
    solution: Solution, similarity: float, preference: Preference, exact: bool | None, progress: Progress
) -> DuplicateReport:
    solution.open()
    solution.fetch_rows([])  # says what is wrong where nothing can be searched
    preference.require_known(solution.metadata, solution.encoder.segmented)
    with open_stored_vectors(solution, lambda _: progress(0.0)) as stored:
        metric = choose_item_metric(solution.metric)
        distances = ItemDistances(stored, metric)
        near = NearItems(distances, to_distance(similarity - _TOLERANCE, metric))
        is_exact = _is_exact(solution, stored) if exact is None else exact
        if not is_exact and solution.metric == "IP" and not _have_one_length(stored):
            is_exact = True
        if is_exact:
            near.compare_all(progress)
        else:
            near.search_index(solution, progress)
        groups = _GroupBuilder(solution, near, preference).build_groups()
        return DuplicateReport(
            solution=solution.name,
            similarity=similarity,
            keep=preference.keep,
            field=preference.field,
            metric=metric,
            method="exact" if is_exact else "index",
            items=stored.items,
            rows=stored.rows,
            groups=groups,
        )


def _is_exact(solution: Solution, stored: StoredVectors) -> bool:
    """Whether to compare all items: the index does so itself, or it takes no longer."""
    index = INDEXES.get(str((solution.metadata.state().get("index") or {}).get("type", "")))
    compares_all = solution.vectors.uses_sparse_bits or (index is not None and index.is_exact)
    return compares_all or stored.rows * stored.space.dimension <= _MAX_EXACT_NUMBERS


def _have_one_length(stored: StoredVectors) -> bool:
    """Whether all vectors but zeros have the same length, so that an inner product orders them as the cosine does."""
    low, high = np.inf, 0.0
    for start in range(0, stored.rows, 4_096):
        lengths = np.linalg.norm(stored.read(np.arange(start, min(start + 4_096, stored.rows))), axis=1)
        lengths = lengths[lengths > 0.0]
        low, high = min(low, lengths.min(initial=np.inf)), max(high, lengths.max(initial=0.0))
    return bool(high <= 1.001 * low)


@dataclass(slots=True)
class _GroupBuilder:
    """Makes groups of sets of near-equal items."""

    solution: Solution
    near: NearItems
    preference: Preference
    _facts: dict[int, tuple[str, str, ItemFacts]] = field(default_factory=dict)
    """Key, URI and facts of the items of sets, by their number."""

    def build_groups(self) -> list[DuplicateGroup]:
        sets = list(self.near.sets.iter_sets())
        if sets:
            self._read_facts(np.concatenate(sets))
        groups = [self._build_group(members.tolist()) for members in sets]
        found = [group for group in groups if group.removable]
        return sorted(found, key=lambda group: (-len(group.items), group.items[0].key))

    def _read_facts(self, items: np.ndarray) -> None:
        """Read what is known of these items; of one that is being written or was removed meanwhile nothing is."""
        stored, metadata = self.near.distances.stored, self.solution.metadata
        for part in iter_slices(items, _RECORDS_PER_FETCH):
            ids = stored.item_ids[part].tolist()
            entries, records = metadata.ledger_entries(ids), metadata.records(ids)
            for item, entry, record in zip(part.tolist(), entries, records, strict=True):
                if entry is not None and record is not None and entry.matches_key(record.key):
                    facts = read_facts(record, float(stored.seconds[item]), self.preference.field)
                    self._facts[item] = record.key, record.uri, facts

    def _build_group(self, members: Sequence[int]) -> DuplicateGroup:
        """Keep the first by preference, with those near-equal to it as its duplicates; then the first of the rest."""
        known = [item for item in members if item in self._facts]
        rest = np.array(sorted(known, key=self._sort_key), np.int64)
        items: list[DuplicateItem] = []
        while len(rest):
            kept, rest = int(rest[0]), rest[1:]
            items.append(self._describe_item(kept, None, None))
            distances = self.near.distances.compute_near(kept, rest, self.near.limit)
            is_near = np.isfinite(distances)
            items += [
                self._describe_item(item, self._facts[kept][0], to_similarity(distance, self.near.distances.metric))
                for item, distance in zip(rest[is_near].tolist(), distances[is_near].tolist(), strict=True)
            ]
            rest = rest[~is_near]
        return DuplicateGroup(items)

    def _sort_key(self, item: int) -> tuple[object, ...]:
        key, _, facts = self._facts[item]
        return self.preference.sort_key(key, facts)

    def _describe_item(self, item: int, duplicate_of: str | None, similarity: float | None) -> DuplicateItem:
        key, uri, facts = self._facts[item]
        similarity = None if similarity is None else min(similarity, 1.0)
        return DuplicateItem(key, uri, duplicate_of, similarity, facts.bytes, facts.length, facts.modified)
