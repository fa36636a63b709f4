"""How fast, and in how much memory, vicinal ingests.

texts      SentenceTransformer.encode on texts of 15 to 120 words, against the whole of ``vicinal ingest`` on the same
           texts: a file of lines is read, compared with the ledger, encoded, written to Milvus Lite and Redis, and made
           searchable. Model loading is in neither: each side encodes some of the texts before its clock starts.
molecules  RDKit's own multi-threaded way from SMILES to Morgan fingerprints (MultithreadedSmilesMolSupplier with two
           writer threads, GetFingerprints on all cores), and its plain way (MolFromSmiles in a loop), against the whole
           of ``vicinal ingest`` on Milvus Lite, and on a Milvus server where one is named.
skip       A second run over unchanged rows, stores reopened, and its parts one by one. Nothing is encoded in such a
           run, so the first one uses a cheap encoder; what MiniLM adds, the hash of its weights, is shown beside it.
memory     Peak memory of a fresh process that ingests few rows and many; see memory.py.
images, sounds, videos
           Programs of their own, images.py and so on; what follows the word is theirs.

Contenders take turns; a ratio compares two of the same round. Shown are medians, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import common
import memory
from common import Results, compute_ratios, measure_seconds, median, open_solution, run_rounds, temporary_folder
from program import Program

TARGETS = {"texts": 0.97, "molecules": 0.7, "skip": 20_000}
MEDIA = ("images", "sounds", "videos")


def main() -> None:
    if sys.argv[1:2] and sys.argv[1] in MEDIA:
        import_module(sys.argv.pop(1)).main()
        return
    program = Program(
        __doc__,
        {"texts": measure_texts, "molecules": measure_molecules, "skip": measure_skip, "memory": memory.measure_memory},
    )
    program.parser.add_argument("--texts", type=int, default=3_000, metavar="N", help="texts (3,000)")
    program.parser.add_argument("--molecules", type=int, default=20_000, metavar="N", help="molecules (20,000)")
    program.parser.add_argument("--rows", type=int, default=60_000, metavar="N", help="rows of skip (60,000)")
    program.parser.add_argument("--bf16", action="store_true", help="texts: also a SentenceTransformer in bfloat16")
    milvus = next((os.environ[name] for name in ("MILVUS_URI", "VICINAL_TEST_MILVUS") if os.environ.get(name)), None)
    program.parser.add_argument("--milvus", default=milvus, metavar="URI", help="molecules: a Milvus server, too")
    memory.add_arguments(program.parser)
    program.run(program.parse_options())


def build_rows(
    taken: dict[str, list[float]], reference: str, count: int, with_target: Collection[str], target: float
) -> list[dict[str, Any]]:
    """A row for each contender: speed, ratio to the reference, and whether those ``with_target`` meet it."""
    rows = []
    for name, times in taken.items():
        ratios = compute_ratios(taken, reference, name)
        row: dict[str, Any] = {"": name, "items/s": [count / each for each in times], "ratio": ratios}
        if name in with_target:
            row |= {"target": target, "met": "yes" if median(ratios) >= target else "no"}
        rows.append(row)
    return rows


# --- texts


def measure_texts(options: argparse.Namespace, results: Results) -> None:
    from sentence_transformers import SentenceTransformer

    rows = common.generate_texts(options.texts)
    warm = rows[:64]
    fp32_model = SentenceTransformer(common.MODEL, device="cpu")
    reference = fp32_model.encode(warm, normalize_embeddings=True, show_progress_bar=False)
    notes: dict[str, Any] = {}
    contenders: dict[str, Callable[[], float]] = {"SentenceTransformer, fp32": _make_contender(fp32_model, rows)}
    if options.bf16:
        bf16_model = SentenceTransformer(common.MODEL, device="cpu", model_kwargs={"dtype": "bfloat16"})
        contenders["SentenceTransformer, bf16"] = _make_contender(bf16_model, rows)
    with temporary_folder() as where:
        path = common.write_lines(where / "texts.txt", rows)

        def vicinal(precision: str) -> float:
            encoder = f"{{type: sentence, batch_size: 32, precision: {precision}}}"
            with (
                temporary_folder() as home,
                open_solution(home, f"{{type: lines, path: '{path}'}}", encoder) as solution,
            ):
                found = solution.encoder.encode(warm)
                notes[precision] = float((found * reference).sum(axis=1).min())
                return _time_ingest(solution, len(rows))

        contenders["vicinal, fp32"] = lambda: vicinal("fp32")
        contenders["vicinal, auto"] = lambda: vicinal("auto")
        taken = run_rounds(contenders, options.rounds)
    with_target = [name for name in contenders if not name.startswith("Sentence")]
    table = build_rows(taken, "SentenceTransformer, fp32", len(rows), with_target, TARGETS["texts"])
    for row in table:
        if precision := notes.get(row[""].rpartition(" ")[2]) if row[""].startswith("vicinal") else None:
            row["least cosine"] = f"{precision:.5f}"
    results.add("texts", f"{len(rows):,} texts of 15 to 120 words, MiniLM, batches of 32", table)


def _make_contender(model: Any, rows: Sequence[str]) -> Callable[[], float]:
    model.encode(rows[:64], show_progress_bar=False)
    return lambda: measure_seconds(lambda: model.encode(rows, batch_size=32, show_progress_bar=False))


def _time_ingest(solution: Any, count: int) -> float:
    """Seconds from opening the stores to the end of the run; every row must be there then."""
    reports: list[Any] = []
    taken = measure_seconds(lambda: reports.append(solution.ingest()))
    report = reports[0]
    assert (report.new, report.rows, report.failed) == (count, count, 0), report
    return taken


# --- molecules


def measure_molecules(options: argparse.Namespace, results: Results) -> None:
    rows = common.generate_molecules(options.molecules)
    reference = "RDKit, multi-threaded"
    with temporary_folder() as where:
        table = common.write_csv(where / "molecules.csv", "smiles", rows)
        smiles = common.write_lines(where / "molecules.smi", [f"{row} {number}" for number, row in enumerate(rows)])

        def vicinal(milvus: str | None) -> float:
            source = f"{{type: table, path: '{table}', key: key, content: smiles}}"
            with temporary_folder() as home, open_solution(home, source, "{type: morgan}", milvus=milvus) as solution:
                solution.encoder.encode([segment.sample for segment in solution.encoder.decode_query("CCO")])
                return _time_ingest(solution, len(rows))

        contenders: dict[str, Callable[[], float]] = {
            reference: lambda: measure_seconds(lambda: _run_multithreaded(smiles, len(rows))),
            "RDKit, plain loop": lambda: measure_seconds(lambda: _run_loop(rows)),
            "vicinal, Milvus Lite": lambda: vicinal(None),
        }
        if options.milvus:
            contenders["vicinal, Milvus server"] = lambda: vicinal(options.milvus)
        vicinal(None)  # imports, and the pages of both stores' programs, belong to nobody
        taken = run_rounds(contenders, options.rounds)
    with_target = [name for name in contenders if name.startswith("vicinal")]
    title = f"{len(rows):,} molecules, Morgan fingerprints of 2,048 bits"
    results.add("molecules", title, build_rows(taken, reference, len(rows), with_target, TARGETS["molecules"]))


def _run_multithreaded(path: Path, count: int) -> None:
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    supplier = Chem.MultithreadedSmilesMolSupplier(str(path), titleLine=False, numWriterThreads=2)
    found = [molecule for molecule in supplier if molecule is not None]
    assert len(GetMorganGenerator(radius=2, fpSize=2048).GetFingerprints(found, numThreads=0)) == count


def _run_loop(rows: Sequence[str]) -> None:
    from rdkit import Chem
    from rdkit.Chem.rdFingerprintGenerator import GetMorganGenerator

    found = [Chem.MolFromSmiles(row) for row in rows]
    assert len(GetMorganGenerator(radius=2, fpSize=2048).GetFingerprints(found, numThreads=0)) == len(rows)


# --- skip


def measure_skip(options: argparse.Namespace, results: Results) -> None:
    from vicinal.ingest.changes import compute_fingerprint
    from vicinal.types import item_id

    count = options.rows
    with temporary_folder() as where:
        path = common.write_csv(where / "rows.csv", "text", common.generate_texts(count))
        source = f"{{type: table, path: '{path}', key: key, content: text}}"

        def open_again() -> Any:
            return open_solution(where, source, "{type: hashing}")

        with open_again() as solution:
            first = _time_ingest(solution, count)

        def time_second_run() -> float:
            with open_again() as solution:
                reports: list[Any] = []
                taken = measure_seconds(lambda: reports.append(solution.ingest()))
                assert (reports[0].unchanged, reports[0].rows) == (count, count), reports[0]
                return taken

        with open_again() as solution:
            items = list(solution.source)
            ids = [item_id(item.key) for item in items]
            store = solution.metadata
            parts: dict[str, Callable[[], object]] = {
                "reading the CSV": lambda: list(solution.source),
                "ids and fingerprints": lambda: [(item_id(item.key), compute_fingerprint(item)) for item in items],
                "ledger, in steps of 1,000": lambda: [
                    store.ledger_entries(ids[at : at + 1000]) for at in range(0, count, 1000)
                ],
            }
            single = run_rounds(
                {name: lambda work=work: measure_seconds(work) for name, work in parts.items()}, options.rounds
            )
        whole = "second run"
        taken = run_rounds({whole: time_second_run, "hash of MiniLM's weights": _time_signature}, options.rounds)
    target = TARGETS["skip"]
    speed = [count / each for each in taken[whole]]
    rows = [
        {"": whole, "seconds": taken[whole], "rows/s": speed, "target": target},
        {"": "first run (cheap encoder)", "seconds": [first], "rows/s": [count / first]},
        *({"": f"  {name}", "seconds": each, "rows/s": [count / s for s in each]} for name, each in single.items()),
        {"": "second run and the hash", "seconds": (both := [sum(pair) for pair in zip(*taken.values(), strict=True)])},
        {"": "  hash of MiniLM's weights", "seconds": taken["hash of MiniLM's weights"]},
    ]
    rows[0]["met"] = "yes" if median(speed) >= target else "no"
    rows[-2]["rows/s"] = [count / each for each in both]
    results.add("skip", f"{count:,} unchanged rows of a CSV file", rows)


def _time_signature() -> float:
    """Seconds until the encoder of texts returns its signature, in a fresh process, since it is cached."""
    script = (
        "import time; from vicinal import create_manager; encoder = create_manager().encoders.load('sentence')();"
        "started = time.perf_counter(); encoder.signature; print(time.perf_counter() - started)"
    )
    return float(subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE, text=True).stdout)


if __name__ == "__main__":
    main()
