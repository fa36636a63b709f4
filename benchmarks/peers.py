"""vicinal beside txtai, LanceDB and Chroma: the same texts, the same folder of MiniLM, one process, no network.

ingest      Seconds from a list (vicinal: a file) of texts to a searchable index on disk; the model is loaded before.
run again   The same call over the same, unchanged texts, as an upsert where there is one.
query       Milliseconds from a text to ten hits, encoding included: the median over the queries, one by one, every
            peer in turn for each query, in an order that changes.
best agrees How often the best hit, and the ten best, are those of exact search over SentenceTransformer's vectors.

Everything encodes on the processor: vicinal as it does by itself (``auto``) and in float32, txtai by its own pipeline
(once with ids alone, which is its quickest, once with the texts stored as vicinal, LanceDB and Chroma do), LanceDB and
Chroma with vectors of SentenceTransformer. A peer that is not installed is a row that says so:
``pip install -e ".[peers]" -c constraints.txt``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import common
from common import MODEL, Results, measure_seconds, median, open_solution, temporary_folder

LIMIT = 10


class Peer:
    """One contender: ``ingest`` makes texts searchable, ``query`` gives the keys of the ten nearest."""

    def __init__(self, where: Path, model: Any, stack: contextlib.ExitStack) -> None:
        self.where, self.model, self.stack = where, model, stack
        self.open()

    def open(self) -> None:
        """Import what is needed, load the model."""

    def ingest(self, rows: Sequence[str]) -> None:
        raise NotImplementedError

    def query(self, text: str) -> list[int]:
        raise NotImplementedError

    def encode(self, texts: str | list[str]) -> Any:
        return self.model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


class Vicinal(Peer):
    name, package, precision = "vicinal, auto", "vicinal", "auto"

    def open(self) -> None:
        path = self.where / "texts.txt"
        encoder = f"{{type: sentence, batch_size: 32, precision: {self.precision}}}"
        self.index = self.stack.enter_context(open_solution(self.where, f"{{type: lines, path: '{path}'}}", encoder))
        self.index.encoder.encode(common.generate_texts(64))

    def ingest(self, rows: Sequence[str]) -> None:
        report = self.index.ingest()
        assert report.rows == len(rows) and not report.failed, report

    def query(self, text: str) -> list[int]:
        return [int(hit.key) - 1 for hit in self.index.search(text, limit=LIMIT)]


class VicinalExact(Vicinal):
    name, precision = "vicinal, fp32", "fp32"


class Txtai(Peer):
    name, package, content = "txtai, ids alone", "txtai", False

    def open(self) -> None:
        from txtai import Embeddings

        self.index = Embeddings(path=MODEL, backend="faiss", content=self.content, gpu=False)
        self.index.batchtransform(common.generate_texts(64))

    def ingest(self, rows: Sequence[str]) -> None:
        self.index.index((number, row, None) for number, row in enumerate(rows))
        self.index.save(str(self.where / "index"))

    def query(self, text: str) -> list[int]:
        return [int(hit["id"] if self.content else hit[0]) for hit in self.index.search(text, LIMIT)]


class TxtaiTexts(Txtai):
    name, content = "txtai, with texts", True


class LanceDB(Peer):
    name, package = "LanceDB", "lancedb"
    table: Any = None

    def open(self) -> None:
        import lancedb

        self.index = lancedb.connect(str(self.where))

    def ingest(self, rows: Sequence[str]) -> None:
        vectors = self.encode(list(rows))
        data = [
            {"id": number, "text": row, "vector": vector}
            for number, (row, vector) in enumerate(zip(rows, vectors, strict=True))
        ]
        if self.table is None:
            self.table = self.index.create_table("texts", data=data)
        else:
            self.table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(data)

    def query(self, text: str) -> list[int]:
        hits = self.table.search(self.encode(text)).distance_type("cosine").limit(LIMIT).to_list()
        return [int(hit["id"]) for hit in hits]


class Chroma(Peer):
    name, package = "Chroma", "chromadb"

    def open(self) -> None:
        import chromadb

        client = chromadb.PersistentClient(str(self.where), chromadb.Settings(anonymized_telemetry=False))
        self.index = client.create_collection("texts", metadata={"hnsw:space": "cosine"}, embedding_function=None)
        self.step = client.get_max_batch_size()

    def ingest(self, rows: Sequence[str]) -> None:
        vectors, ids = self.encode(list(rows)), [str(number) for number in range(len(rows))]
        for at in range(0, len(rows), self.step):
            part = slice(at, at + self.step)
            self.index.upsert(ids[part], embeddings=vectors[part], documents=list(rows[part]))

    def query(self, text: str) -> list[int]:
        return [int(id_) for id_ in self.index.query(query_embeddings=[self.encode(text)], n_results=LIMIT)["ids"][0]]


PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Vicinal, VicinalExact, Txtai, TxtaiTexts, LanceDB, Chroma)}


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--texts", type=int, default=3_000, metavar="N", help="texts (3,000)")
    parser.add_argument("--queries", type=int, default=200, metavar="N", help="queries (200)")
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS), help="which of them")
    options = parser.parse_args()
    os.environ["CHROMA_TELEMETRY"] = os.environ["ANONYMIZED_TELEMETRY"] = "False"
    results = Results(options.json)
    rows, queries = common.generate_texts(options.texts), common.generate_texts(options.queries, 5, 12, seed=11)
    title = f"{len(rows):,} texts of 15 to 120 words, {len(queries)} queries of 5 to 12 words, MiniLM"
    with contextlib.ExitStack() as stack:
        results.add("peers", title, compare(options.peers, rows, queries, stack))
        results.print()


def compare(
    names: Sequence[str], rows: Sequence[str], queries: Sequence[str], stack: contextlib.ExitStack
) -> list[dict[str, Any]]:
    """A row for each peer."""
    from sentence_transformers import SentenceTransformer

    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    model = SentenceTransformer(MODEL, device="cpu")
    model.encode(common.generate_texts(64), show_progress_bar=False)
    table: dict[str, dict[str, Any]] = {}
    peers: dict[str, Peer] = {}
    for name in names:
        where = stack.enter_context(temporary_folder())
        common.write_lines(where / "texts.txt", rows)
        try:
            peer = PEERS[name](where, model, stack)
        except ImportError as error:
            table[name] = {"": name, "version": "not installed" if not _is_installed(PEERS[name]) else str(error)[:40]}
            continue
        peers[name] = peer
        taken = [measure_seconds(lambda peer=peer: peer.ingest(rows)) for _ in range(2)]
        print(f"  {name}: ingest {taken[0]:.1f} s, again {taken[1]:.1f} s", file=sys.stderr, flush=True)
        table[name] = {"": name, "version": version(peer.package), "ingest s": taken[0], "run again s": taken[1]}
    found, spent = _query_in_turns(peers, queries)
    exact = _search_exactly(model, rows, queries)
    for name, answers in found.items():
        best = sum(mine[:1] == true[:1] for mine, true in zip(answers, exact, strict=True)) / len(queries)
        ten = sum(len(set(mine) & set(true)) for mine, true in zip(answers, exact, strict=True)) / LIMIT / len(queries)
        table[name] |= {"query ms": median(spent[name]), "best agrees": f"{best:.1%}", "ten agree": f"{ten:.1%}"}
    _compare_with_txtai(table, spent)
    return list(table.values())


def _query_in_turns(
    peers: dict[str, Peer], queries: Sequence[str]
) -> tuple[dict[str, list[list[int]]], dict[str, list[float]]]:
    found: dict[str, list[list[int]]] = {name: [] for name in peers}
    spent: dict[str, list[float]] = {name: [] for name in peers}
    for query in queries[:10]:
        for peer in peers.values():
            peer.query(query)
    names = list(peers)
    for number, query in enumerate(queries):
        turn = number % max(len(names), 1)
        for name in (names[turn:] + names[:turn])[:: -1 if number % 2 else 1]:
            started = time.perf_counter()
            answer = peers[name].query(query)
            spent[name].append((time.perf_counter() - started) * 1000)
            found[name].append(answer)
    return found, spent


def _search_exactly(model: Any, rows: Sequence[str], queries: Sequence[str]) -> list[list[int]]:
    encode: Callable[[list[str]], np.ndarray] = lambda texts: model.encode(  # noqa: E731
        texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False
    )
    similar = encode(list(queries)) @ encode(list(rows)).T
    return [list(map(int, order[:LIMIT])) for order in np.argsort(-similar, axis=1)]


def _compare_with_txtai(table: dict[str, dict[str, Any]], spent: dict[str, list[float]]) -> None:
    """vicinal's query against that of the quicker txtai."""
    rivals = [name for name in spent if name.startswith("txtai")]
    for name in spent:
        if rivals and name.startswith("vicinal"):
            least = min(median(spent[rival]) for rival in rivals)
            table[name] |= {"target ms": f"≤ {least:.1f}", "met": "yes" if median(spent[name]) <= least else "no"}


def _is_installed(peer: type[Peer]) -> bool:
    from importlib.util import find_spec

    return find_spec(peer.package) is not None


if __name__ == "__main__":
    main()
