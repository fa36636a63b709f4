"""Judgments made by people: which items are relevant to which queries, read from TREC qrels or CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vicinal.errors import VicinalError

__all__ = ["JudgedQuery", "read_judgments"]

_HEADERS = {
    *("query", "query_id", "query-id", "qid", "id", "_id", "topic", "text"),
    *("key", "item", "doc", "docid", "doc_id", "corpus-id", "relevance", "rel", "score"),
}
_TREC = "TREC qrels have four columns: query, iteration, key, relevance"
_COLUMNS = "a CSV has two or three columns: query, key, and relevance (1 by default)"
_ONE_LINE = "a query and a key have one relevance; leave one of the lines out"
_MAX_RELEVANCE = 1_000_000
"""trec_eval, which computes the measures, has a counter for each level up to the highest: 15 GB for 2,000,000,000."""


@dataclass(slots=True)
class JudgedQuery:
    """A query under its id, and the relevance of the items that are relevant to it, by key."""

    id: str
    query: str
    relevant: dict[str, int] = field(default_factory=dict)


def read_judgments(qrels: Path, queries: Path | None = None) -> list[JudgedQuery]:
    """The judged queries, in the order of the qrels; those to which nothing is relevant are left out.

    Args:
        qrels: TREC's four columns, separated by blanks; or, where the file is called .csv or .tsv, query, key and,
            where there is a third column, relevance. A header is recognised.
        queries: two columns, id and query, separated by commas (.csv) or tabs. Without it the qrels name the queries
            themselves: a text, the path of a file, an ``@key``.

    Raises:
        VicinalError: a file or a line cannot be read, two lines contradict each other, or a judged query has no text.
    """
    texts = _read_queries(queries) if queries else None
    judged: dict[str, JudgedQuery] = {}
    for place, (id_, key, relevance) in _iter_qrels(qrels):
        if id_ not in judged:
            if texts is not None and id_ not in texts:
                raise VicinalError(f"{place}: query {id_!r} is not in {queries}", "each judged query needs its text")
            judged[id_] = JudgedQuery(id_, texts[id_] if texts is not None else id_)
        gain = max(relevance, 0)
        if (earlier := judged[id_].relevant.setdefault(key, gain)) != gain:
            raise VicinalError(f"{place}: {key!r} has relevance {gain} for {id_!r}, and {earlier} before", _ONE_LINE)
    for query in judged.values():
        query.relevant = {key: gain for key, gain in query.relevant.items() if gain}
    if not (found := [query for query in judged.values() if query.relevant]):
        raise VicinalError(f"{qrels} has no query with a relevant item", f"{_TREC}; {_COLUMNS}")
    return found


def _iter_qrels(path: Path) -> Iterator[tuple[str, tuple[str, str, int]]]:
    """The place, and query, key and relevance of each line."""
    is_table = path.suffix.lower() in (".csv", ".tsv")
    for place, cells in _iter_lines(path, is_table=is_table):
        if is_table and len(cells) in (2, 3):
            query, key, relevance = cells[0], cells[1], cells[2] if len(cells) == 3 else "1"
        elif not is_table and len(cells) == 4:
            query, _, key, relevance = cells
        else:
            raise VicinalError(f"{place}: {len(cells)} columns", _COLUMNS if is_table else _TREC)
        try:
            gain = int(relevance)
        except ValueError:
            raise VicinalError(f"{place}: relevance {relevance!r} is no whole number", "0 is not relevant") from None
        if gain > _MAX_RELEVANCE:
            raise VicinalError(f"{place}: relevance is {relevance}", f"it is {_MAX_RELEVANCE:,} at most")
        yield place, (query, key, gain)


def _read_queries(path: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for place, cells in _iter_lines(path, is_table=True):
        if len(cells) != 2:
            raise VicinalError(f"{place}: {len(cells)} columns", "queries have two: id and query")
        if texts.setdefault(cells[0], cells[1]) != cells[1]:
            raise VicinalError(f"{place}: query {cells[0]!r} stands there twice", "ids name one query each")
    return texts


def _iter_lines(path: Path, *, is_table: bool) -> Iterator[tuple[str, list[str]]]:
    """The place and the cells of each line, without empty ones and without a header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = "," if path.suffix.lower() == ".csv" else "\t"
            lines = csv.reader(file, delimiter=delimiter) if is_table else (line.split() for line in file)
            for number, cells in enumerate(lines, 1):
                is_header = number == 1 and {cell.strip().lower() for cell in cells} <= _HEADERS
                if any(cells) and not (is_table and is_header):
                    yield f"{path}:{number}", cells
    except OSError as error:
        raise VicinalError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise VicinalError(f"{path} cannot be read: {error}", "it has to be UTF-8 text") from error
