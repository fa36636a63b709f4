"""The YAML of ``vicinal bench``: the vectors, the matrix of indexes, and what is measured of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from vicinal.config.document import Document
from vicinal.config.indexes import IndexType, check_parameters
from vicinal.config.locations import milvus_location_problem
from vicinal.config.model_errors import validate_model
from vicinal.config.models import IndexConfig, Name
from vicinal.config.store_secrets import check_secrets
from vicinal.errors import ConfigError
from vicinal.plugin.params import LocalPath, Params

__all__ = ["BenchConfig", "FilesData", "FloatMetric", "GeneratedData", "IndexMatrix", "load_bench_config"]

FloatMetric = Literal["COSINE", "IP", "L2"]
_Positive = Annotated[int, Field(ge=1)]


class GeneratedData(Params):
    """Vectors in clusters, which are generated while they are read: the same for the same seed, at any size."""

    type: Literal["generated"]
    rows: Annotated[int, Field(ge=100, le=10_000_000_000)]
    """Number of vectors."""
    dimension: Annotated[int, Field(ge=2, le=32_768)] = 128
    """Numbers in a vector."""
    clusters: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """Number of clusters; each spreads along 16 directions."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 7
    """Seed of all random numbers."""
    metric: FloatMetric = "L2"
    """How similarity is measured."""


class FilesData(Params):
    """Vectors in files: .npy, .fvecs, .bvecs, .fbin, .u8bin, .i8bin, HDF5 or parquet."""

    type: Literal["files"]
    vectors: LocalPath | list[LocalPath]
    """The file of the vectors, or several; a folder stands for its files, by name."""
    queries: LocalPath
    """The file of the queries."""
    neighbors: LocalPath | None = None
    """The file of the queries' nearest neighbours, if the data bring them: they check that `metric` is theirs."""
    columns: tuple[str, str, str] = ("", "", "")
    """Names within HDF5 and parquet of vectors, queries and neighbours, as [train, test, neighbors]."""
    metric: FloatMetric
    """How similarity is measured."""


class Hdf5Data(Params):
    """A data set of ann-benchmarks."""

    type: Literal["hdf5"]
    path: LocalPath
    """The .hdf5 file, with train, test and neighbors."""
    metric: FloatMetric
    """How similarity is measured: L2 for euclidean ones, COSINE for angular ones."""

    def to_files(self) -> FilesData:
        columns = ("train", "test", "neighbors")
        parts = {"vectors": self.path, "queries": self.path, "neighbors": self.path}
        return FilesData(type="files", **parts, columns=columns, metric=self.metric)


class VectorDBBenchData(Params):
    """A data set of VectorDBBench."""

    type: Literal["vectordbbench"]
    path: LocalPath
    """The folder with train*.parquet (id, emb), test.parquet and neighbors.parquet."""
    metric: FloatMetric
    """How similarity is measured."""

    def to_files(self) -> FilesData:
        neighbors = self.path / "neighbors.parquet"
        return FilesData(
            type="files",
            vectors=sorted(self.path.glob("*train*.parquet")),
            queries=self.path / "test.parquet",
            neighbors=neighbors if neighbors.exists() else None,
            columns=("emb", "emb", "neighbors_id"),
            metric=self.metric,
        )


class IndexMatrix(Params):
    """An index type with its build parameters, and the settings to search it with: every combination of them."""

    type: IndexType
    """The index's name in Milvus."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Build parameters."""
    search: dict[str, Any] = Field(default_factory=dict)
    """Search parameters; each a value, or a list of values in rising order."""

    @field_validator("type")
    @classmethod
    def _require_a_type(cls, name: str) -> str:
        if name == "auto":
            raise ValueError("name the index types that are to be measured")
        return name

    @field_validator("params")
    @classmethod
    def _check_params(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        return check_parameters(info.data["type"], "params", values) if "type" in info.data else values

    @field_validator("search")
    @classmethod
    def _check_search(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if any(value == [] for value in values.values()):
            raise ValueError("a list of settings is empty")
        for setting in _combine_values(values) if "type" in info.data else ():
            check_parameters(info.data["type"], "search", setting)
        return values

    @property
    def settings(self) -> list[dict[str, Any]]:
        """The search settings, the smallest first."""
        return list(_combine_values(self.search))

    def to_index_config(self, metric: FloatMetric, setting: Mapping[str, Any] | None = None) -> IndexConfig:
        return IndexConfig(type=self.type, metric=metric, params=self.params, search=dict(setting or {}))


class BenchStores(Params):
    """The engine that is measured."""

    milvus: str = ""
    """A path ending in .db (Milvus Lite), or the URI of a server. Default: `${MILVUS_URI:-.vicinal/bench/NAME.db}`."""
    token: str | None = None
    """Milvus' user:password or API key; only from an environment variable, as ${NAME}."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Seconds to wait for a connection."""


class BenchConfig(Params):
    """A benchmark."""

    name: Name
    """Names the collection and the results."""
    data: Annotated[GeneratedData | FilesData | Hdf5Data | VectorDBBenchData, Field(discriminator="type")]
    """The vectors and queries."""
    indexes: Annotated[list[IndexMatrix], Field(min_length=1)]
    """The indexes to measure. FLAT is exact: beside it the others prove that they are in use."""
    queries: Annotated[int, Field(ge=10, le=100_000)] = 1_000
    """The most queries whose recall and latency are measured."""
    limits: Annotated[tuple[Annotated[int, Field(ge=1, le=1_000)], ...], Field(min_length=1)] = (1, 10, 100)
    """How many neighbours are searched for: each its own recall and latency."""
    target_recall: Annotated[float, Field(gt=0, le=1)] | None = 0.95
    """Throughput, batches and filters are measured at an index's first setting that has this recall, else at its last
    one; null: at every setting."""
    clients: tuple[Annotated[int, Field(ge=1, le=256)], ...] = (1, 2, 4, 8, 16, 32, 64)
    """Numbers of client processes whose throughput is measured."""
    batches: tuple[Annotated[int, Field(ge=1, le=16_384)], ...] = (1, 10, 100, 1_000)
    """Numbers of queries in one request whose throughput is measured."""
    filters: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.1, 0.01)
    """Shares of the rows that filters leave."""
    seconds: Annotated[float, Field(gt=0, le=3_600)] = 5.0
    """The longest time of one measurement of latency, or of throughput."""
    bulk_folder: LocalPath | None = None
    """A folder that a server sees by the same path: vectors are written to files in it, which the server imports, and
    which are then deleted. Without it they are sent in requests."""
    bulk_rows: Annotated[int, Field(ge=1_000, le=100_000_000)] = 1_000_000
    """Rows of one import."""
    insert_rows: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Rows of a request."""
    sizes: tuple[Annotated[int, Field(ge=1_000)], ...] = ()
    """Smaller numbers of rows, from whose cost that of all rows is estimated."""
    stores: BenchStores = BenchStores()
    """The engine that is measured."""

    @property
    def limit(self) -> int:
        """The limit of throughput, batches and filters: 10 if it is among the limits, else the first."""
        return 10 if 10 in self.limits else self.limits[0]

    @property
    def files(self) -> GeneratedData | FilesData:
        """The data, those of a known collection of files as files."""
        return self.data if isinstance(self.data, GeneratedData | FilesData) else self.data.to_files()


def load_bench_config(path: Path) -> tuple[BenchConfig, Path]:
    """Read and check a benchmark's YAML; returns it with its folder for results, beside the file.

    Raises:
        ConfigError: the file cannot be read, or has mistakes; ``problems`` lists them all.
    """
    document = Document.read_file(path)
    base = path.resolve().parent
    config = None
    if not document.problems:
        if isinstance(document.data, dict):
            check_secrets(document)
            config = validate_model(document, BenchConfig, document.data, context={"base": base})
        else:
            document.add_problem((), "a benchmark is a mapping with name, data and indexes")
    folder = base / ".vicinal" / "bench"
    if config is not None:
        config = _resolve_store(config, document, base, folder)
    if config is None or document.problems:
        problems = [problem.format(path) for problem in sorted(set(document.problems))]
        raise ConfigError(
            f"{path} has {len(problems)} mistake{'s' if len(problems) > 1 else ''}",
            problems=problems,
            hint="`vicinal schema --bench` prints every key and its values; editors can use it too",
        )
    return config, folder / config.name


def _resolve_store(config: BenchConfig, document: Document, base: Path, folder: Path) -> BenchConfig:
    """Apply the default engine, and make its path absolute."""
    milvus = config.stores.milvus or os.environ.get("MILVUS_URI") or str(folder / f"{config.name}.db")
    if reason := milvus_location_problem(milvus):
        document.add_problem(("stores", "milvus"), reason if config.stores.milvus else f"MILVUS_URI {reason}")
    elif "://" not in milvus:
        milvus = str(base / Path(milvus).expanduser())
    return config.model_copy(update={"stores": config.stores.model_copy(update={"milvus": milvus})})


def _combine_values(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of parameters that have a value or a list of values; the last one varies first."""
    lists = [value if isinstance(value, list) else [value] for value in values.values()]
    for combination in product(*lists):
        yield dict(zip(values, combination, strict=True))
