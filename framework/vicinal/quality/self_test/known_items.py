"""Known-item search: is an item found by itself, as it is, and disturbed as users' queries are?

It takes no labels and no judgments. An item's content is read anew, as a text or from the file that its URI names, and
changed by each of the encoder's disturbances; what comes of it is searched with as a user would. Of an encoder that
reads vectors, which are stored nowhere else, the content is the vector that is indexed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from vicinal.errors import ItemError, UnknownItemError, VicinalError
from vicinal.plugin.disturbance_calls import disturb_content, list_disturbances, make_generator, to_query
from vicinal.plugin.evaluation import Disturbance
from vicinal.quality.estimates import estimate_means
from vicinal.quality.labels import require_queries
from vicinal.quality.per_query import PerQueryTable
from vicinal.quality.sample import read_item_vectors, sample_records
from vicinal.quality.self_test.near_duplicates import compute_usual_similarity, find_near_duplicates
from vicinal.quality.self_test.report import DisturbanceResult, SelfReport
from vicinal.quality.self_test.warnings import list_warnings
from vicinal.stores.records import Record
from vicinal.toolkit.slices import iter_slices
from vicinal.types import Hit, SearchRequest, path_from_file_uri

if TYPE_CHECKING:
    from vicinal.solution.solution import Solution

__all__ = ["UNCHANGED", "SelfOptions", "evaluate_known_items"]

UNCHANGED = "unchanged"
MEASURES = ("recall@1", "recall@10", "MRR@10")
_LIMIT = 10
_ITEMS_PER_CALL = 16
_MAX_THREADS = 4


@dataclass(frozen=True, slots=True)
class SelfOptions:
    """``sample`` is how many items are searched with; without ``names`` by all disturbances."""

    sample: int
    seed: int = 0
    names: Sequence[str] = ()
    per_query: Path | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a query of an item found; ``rank`` is that of the item, 0 where it is not among the first ten."""

    key: str
    rank: int
    found: Sequence[str]

    @property
    def figures(self) -> tuple[float, float, float]:
        return float(self.rank == 1), float(self.rank > 0), 1 / self.rank if self.rank else 0.0

    @property
    def intruder(self) -> tuple[str, str] | None:
        """The item, and another one that was found first."""
        return (self.key, self.found[0]) if self.rank != 1 and self.found else None


@dataclass(slots=True)
class _Answers:
    """What came of one disturbance: answers, the items that it does not change, and the errors by item."""

    disturbance: Disturbance
    given: list[_Answer]
    unaffected: int
    errors: dict[str, ItemError]


def evaluate_known_items(solution: Solution, options: SelfOptions) -> SelfReport:
    """Search with a sample of the items, first as they are, then disturbed.

    Raises:
        VicinalError: the encoder has no disturbances, or none of that name; or fewer than two items can be read.
    """
    disturbances = _choose_disturbances(solution, options.names)
    records, total = sample_records(solution, options.sample, options.seed)
    with PerQueryTable(options.per_query, ("disturbance", "query"), MEASURES) as table:
        unchanged = _search_disturbed(solution, _UNCHANGED, records, options, table)
        readable = [record for record in records if record.key not in unchanged.errors]
        require_queries(len(readable), _describe_first(unchanged.errors))
        answers = [unchanged, *(_search_disturbed(solution, one, readable, options, table) for one in disturbances)]
    report = SelfReport(solution.name, {}, len(readable), total, len(unchanged.errors))
    usual = compute_usual_similarity(solution, [record.key for record in readable])
    intruders = (answer.intruder for found in answers for answer in found.given)
    pairs = list(dict.fromkeys(pair for pair in intruders if pair is not None))
    duplicates = find_near_duplicates(solution, pairs, usual)
    report.near_duplicates = list(duplicates.values())
    report.disturbances = {
        found.disturbance.name: _judge_answers(found, duplicates.keys(), options.seed)
        for found in answers
        if found.given
    }
    report.warnings += list_warnings(report, {one.disturbance.name: one.disturbance for one in answers}, usual)
    report.warnings += _describe_errors(answers)
    return report


def _choose_disturbances(solution: Solution, names: Sequence[str]) -> list[Disturbance]:
    """
    Raises:
        VicinalError: the encoder has none, or none of such a name.
    """
    kind = solution.config.encoder.type
    disturbances = list_disturbances(solution.encoder)
    if not disturbances:
        raise VicinalError(
            f"encoder {kind!r} does not say how its items may be disturbed",
            "measure by labels or judgments; a plugin says it by `list_disturbances`",
        )
    known = {disturbance.name: disturbance for disturbance in disturbances}
    if unknown := [name for name in names if name not in known]:
        raise VicinalError(f"encoder {kind!r} has no disturbance {unknown[0]!r}", f"known: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else disturbances


def _keep_content(content: Any, _: object) -> str:
    """The content as a query: that of a file is its path, and a vector is a list in JSON."""
    return str(content.tolist()) if hasattr(content, "tolist") else str(content)


_UNCHANGED = Disturbance(
    UNCHANGED,
    "unchanged items",
    _keep_content,
    hint="were files changed since? run `vicinal ingest`; else the index loses items: look at its `search` parameters",
    expected=1.0,
)


def _search_disturbed(
    solution: Solution, disturbance: Disturbance, records: Sequence[Record], options: SelfOptions, table: PerQueryTable
) -> _Answers:
    """Search with all items under one disturbance, some at a time, so that few files lie on the disk at once."""
    answers = _Answers(disturbance, [], 0, {})
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    for part in iter_slices(records, _ITEMS_PER_CALL):
        contents = _read_contents(solution, part)
        with TemporaryDirectory(prefix="vicinal-self-") as folder, ThreadPoolExecutor(threads) as pool:

            def make(numbered: tuple[int, str], folder: str = folder, contents: dict[str, Any] = contents) -> Any:
                number, key = numbered
                path = Path(folder, f"{number}{disturbance.suffix}")
                return _make_query(solution, disturbance, key, contents[key], options.seed, path)

            queries = dict(zip(contents, pool.map(make, enumerate(contents)), strict=True))
            answers.unaffected += sum(query is None for query in queries.values())
            answers.errors |= {key: query for key, query in queries.items() if isinstance(query, ItemError)}
            asked = {key: query for key, query in queries.items() if isinstance(query, str | Path)}
            found = list(_search_queries(solution, asked, answers.errors))
        answers.given += found
        table.write([_to_row(disturbance, answer) for answer in found])
    return answers


def _read_contents(solution: Solution, records: Sequence[Record]) -> dict[str, Any]:
    """The contents of items by key: a text, the path of a file, or a vector; None where there is none of them."""
    contents: dict[str, Any] = {
        record.key: record.content if record.content is not None else path_from_file_uri(record.uri)
        for record in records
    }
    unknown = [key for key, content in contents.items() if content is None]
    return contents | read_item_vectors(solution, unknown) if solution.encoder.reads_vectors and unknown else contents


def _make_query(
    solution: Solution, disturbance: Disturbance, key: str, content: Any, seed: int, path: Path
) -> str | Path | ItemError | None:
    """What to search with for an item; None where the disturbance does not change it, or why it cannot be read."""
    if content is None:
        return ItemError("its content is not stored, and its URI names no file of this machine")
    if isinstance(content, Path) and not content.is_file():
        return ItemError(f"there is no file {content}")
    generator = make_generator(seed, key, disturbance.name)
    try:
        query = disturb_content(solution.encoder, disturbance, content, generator)
        return None if query is None else to_query(query, path)
    except ItemError as error:
        return error
    except VicinalError:  # the set-up is at fault, and every other item would meet it as well
        raise
    except Exception as error:  # whatever a file does to a decoder, the other files are worth asking
        return ItemError(f"{type(error).__name__}: {error}")


def _search_queries(
    solution: Solution, queries: dict[str, str | Path], errors: dict[str, ItemError]
) -> Iterator[_Answer]:
    """The answers to the queries, by the item's key; why others cannot be searched with is added to ``errors``.

    Raises:
        VicinalError: a store fails, or anything else that is not one query's own fault.
    """
    requests = [SearchRequest(query, _LIMIT) for query in queries.values()]
    for key, result in zip(queries, solution.search_many(requests, notify=False) if requests else [], strict=True):
        if isinstance(result, ItemError | UnknownItemError):
            errors[key] = ItemError(str(result))
        elif isinstance(result, Exception):
            raise result
        else:
            yield _to_answer(key, result.hits)


def _to_answer(key: str, hits: Sequence[Hit]) -> _Answer:
    found = [hit.key for hit in hits]
    return _Answer(key, found.index(key) + 1 if key in found else 0, found)


def _judge_answers(answers: _Answers, duplicates: Any, seed: int) -> DisturbanceResult:
    """The figures of one disturbance; ``duplicates`` has the pairs of an item and its near-duplicate."""
    import numpy as np

    explained = [answer.intruder in duplicates for answer in answers.given]
    found = [answer.rank > 0 or is_explained for answer, is_explained in zip(answers.given, explained, strict=True)]
    estimates = estimate_means(np.array([answer.figures for answer in answers.given]), seed)
    return DisturbanceResult(
        answers.disturbance.label,
        dict(zip(MEASURES, estimates, strict=True)),
        len(answers.given),
        answers.unaffected,
        len(answers.errors),
        sum(explained),
        sum(found) / len(found),
    )


def _to_row(disturbance: Disturbance, answer: _Answer) -> dict[str, Any]:
    figures = dict(zip(MEASURES, answer.figures, strict=True))
    return {"disturbance": disturbance.name, "query": answer.key, "relevant": 1, **figures, "found": answer.found}


def _describe_errors(answers: Sequence[_Answers]) -> Iterator[str]:
    """What could not be searched with, and what was not asked because it changes nothing."""
    unchanged, *disturbed = answers
    if count := len(unchanged.errors):
        noun = "item was" if count == 1 else "items were"
        yield (
            f"{count:,} {noun} left out: {_describe_first(unchanged.errors)};"
            " are the files where they were when they were indexed?"
        )
    for one in disturbed:
        if count := len(one.errors):
            noun = "query was" if count == 1 else "queries were"
            yield f"{one.disturbance.name}: {count:,} {noun} left out: {_describe_first(one.errors)}"
        if not one.given and not one.errors:
            yield f"{one.disturbance.name}: not measured, since it changes none of these items"


def _describe_first(errors: dict[str, ItemError]) -> str:
    return next((f"{key!r} for one: {error}" for key, error in errors.items()), "")
