"""The rows of a collection: their columns, how an engine stores a vector, and what a search returns of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vicinal.config.models import FieldSpec
from vicinal.stores.milvus_engine import MilvusEngine
from vicinal.types import Space

if TYPE_CHECKING:
    import numpy as np
    from pymilvus import MilvusClient

__all__ = [
    "Candidate",
    "RowFormat",
    "Schema",
    "candidate_from_hit",
    "column_of",
    "split_by_bytes",
    "to_matrix",
    "to_query_vector",
    "to_vector_bytes",
]

MAX_KEY_BYTES = 1024
MAX_TEXT_BYTES = 65_535
MAX_LABEL_BYTES = 1_024
MAX_EXCERPT_BYTES = 8_192
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_MAX_NUMBERS_READ = 2_000_000
_PREFIX = "vicinal_"
_INTERNAL_COLUMNS = {
    *("id", "item", "segment", "start", "end", "segment_label", "segment_excerpt"),
    *("vector", "ones", "text", "text_sparse"),
}
_MILVUS_COLUMNS = {"RowID", "Timestamp", "_seq", "_partition"}
"""What a Milvus server, or Milvus Lite, adds to every collection."""


def column_of(field: str) -> str:
    """The column of a declared field: its name, with a prefix if that is the name of another column."""
    is_taken = field in _INTERNAL_COLUMNS or field in _MILVUS_COLUMNS or field.startswith(_PREFIX)
    return _PREFIX + field if is_taken else field


@dataclass(frozen=True, slots=True)
class Schema:
    """What a collection's rows hold beside ``id``, ``item`` (the item's key) and ``segment`` (its number)."""

    space: Space
    segmented: bool
    fields: Mapping[str, FieldSpec]
    hybrid: bool = False
    labelled: bool = False
    """Whether segments have a label and an excerpt in place of times."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A segment that a search returned: ``distance`` is Milvus' value, ``popcount`` the set bits of its sparse bits."""

    item: str
    segment: int
    distance: float
    start: float | None = None
    end: float | None = None
    label: str = ""
    excerpt: str = ""
    popcount: int = 0


@dataclass(frozen=True, slots=True)
class RowFormat:
    """How an engine stores the rows of a schema."""

    schema: Schema
    engine: MilvusEngine

    @property
    def uses_sparse_bits(self) -> bool:
        """Whether binary vectors are stored as sparse float vectors, because the engine has no binary ones."""
        return self.schema.space.kind == "binary" and not self.engine.has_binary_vectors

    def to_milvus_schema(self, client: MilvusClient) -> Any:
        """The collection's schema in the form that Milvus' client takes."""
        from pymilvus import DataType, Function, FunctionType

        schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("item", DataType.VARCHAR, max_length=MAX_KEY_BYTES)
        schema.add_field("segment", DataType.INT32)
        if self.schema.labelled:
            schema.add_field("segment_label", DataType.VARCHAR, max_length=MAX_LABEL_BYTES)
            schema.add_field("segment_excerpt", DataType.VARCHAR, max_length=MAX_EXCERPT_BYTES)
        elif self.schema.segmented:
            schema.add_field("start", DataType.DOUBLE)
            schema.add_field("end", DataType.DOUBLE)
        for name, spec in self.schema.fields.items():
            extra = {"max_length": spec.length} if spec.type == "varchar" else {}
            schema.add_field(column_of(name), DataType[spec.type.upper()], **extra)
        self._add_vector_columns(schema)
        if self.schema.hybrid:
            schema.add_field("text", DataType.VARCHAR, max_length=MAX_TEXT_BYTES, enable_analyzer=True)
            schema.add_field("text_sparse", DataType.SPARSE_FLOAT_VECTOR)
            schema.add_function(Function("bm25", FunctionType.BM25, ["text"], ["text_sparse"]))
        return schema

    def column_types(self, client: MilvusClient) -> dict[str, Any]:
        """The Milvus types of the columns that a row has to give: all but those that Milvus computes."""
        return {
            field.name: field.dtype
            for field in self.to_milvus_schema(client).fields
            if not (self.schema.hybrid and field.name == "text_sparse")
        }

    def _add_vector_columns(self, schema: Any) -> None:
        from pymilvus import DataType

        if self.uses_sparse_bits:
            schema.add_field("ones", DataType.INT32)
            schema.add_field("vector", DataType.SPARSE_FLOAT_VECTOR)
        else:
            kind = DataType.BINARY_VECTOR if self.schema.space.kind == "binary" else DataType.FLOAT_VECTOR
            schema.add_field("vector", kind, dim=self.schema.space.dimension)

    def vector_columns(self, vectors: np.ndarray) -> Iterator[dict[str, Any]]:
        """Each vector's columns: ``vector``, and ``ones`` (set bits) where bits are stored as sparse floats."""
        if self.schema.space.kind == "float":
            yield from ({"vector": vector} for vector in vectors)
        elif not self.uses_sparse_bits:
            yield from ({"vector": vector.tobytes()} for vector in vectors)
        else:
            yield from (_to_sparse_columns(vector) for vector in vectors)

    def row_bytes(self, row: Mapping[str, Any]) -> int:
        """The approximate size of a row in a message."""
        texts = sum(len(value) * 4 for value in row.values() if isinstance(value, str))
        if self.uses_sparse_bits:
            return texts + 64 + 8 * len(row["vector"])
        bits = 32 if self.schema.space.kind == "float" else 1
        return texts + 64 + self.schema.space.dimension * bits // 8

    @property
    def rows_per_message(self) -> int:
        """How many rows fit well into a message; a number that is read is a Python object of 32 bytes."""
        numbers = self.schema.space.dimension if self.schema.space.kind == "float" else 256
        return max(50, min(2_000, _MAX_NUMBERS_READ // numbers))

    @property
    def segment_columns(self) -> tuple[str, ...]:
        """The columns with a segment's start and end, in seconds, or with its label and excerpt."""
        if self.schema.labelled:
            return ("segment_label", "segment_excerpt")
        return ("start", "end") if self.schema.segmented else ()

    @property
    def column_names(self) -> list[str]:
        """The columns that are written, but for the text of a full-text index."""
        fields = [column_of(name) for name in self.schema.fields]
        vectors = ["ones", "vector"] if self.uses_sparse_bits else ["vector"]
        return ["id", "item", "segment", *self.segment_columns, *fields, *vectors]

    @property
    def filter_columns(self) -> dict[str, str]:
        """The names that a filter may use, each with its column; a field may be called as a built-in one."""
        return {"item": "item", "segment": "segment", **{name: column_of(name) for name in self.schema.fields}}

    @property
    def output_fields(self) -> list[str]:
        """The columns that a search returns, for ``candidate_from_hit``."""
        return ["item", "segment", *self.segment_columns, *(["ones"] if self.uses_sparse_bits else [])]


def candidate_from_hit(hit: Any) -> Candidate:
    """The candidate in a hit of Milvus' client."""
    entity = hit["entity"]
    return Candidate(
        entity["item"],
        entity["segment"],
        hit["distance"],
        entity.get("start"),
        entity.get("end"),
        entity.get("segment_label", ""),
        entity.get("segment_excerpt", ""),
        entity.get("ones", 0),
    )


def to_query_vector(vector: Any) -> Any:
    """A stored vector in the form that a search takes: Milvus returns a binary one as bytes in a list."""
    return vector[0] if isinstance(vector, list) and vector and isinstance(vector[0], bytes) else vector


def to_vector_bytes(vector: Any, space: Space) -> bytes:
    """A stored vector in one form, however the engine keeps it: float32 as little-endian bytes, or packed bits."""
    import numpy as np

    if space.kind == "float":
        return np.asarray(vector, "<f4").tobytes()
    if isinstance(vector, Mapping):
        bits = np.zeros(space.dimension, np.uint8)
        bits[list(vector)] = 1
        return np.packbits(bits).tobytes()
    return bytes(to_query_vector(vector))


def to_matrix(packed: Sequence[bytes], space: Space) -> np.ndarray:
    """Vectors in the form of ``to_vector_bytes`` as rows of a matrix: float32, or uint8 of eight bits each."""
    import numpy as np

    matrix = np.frombuffer(b"".join(packed), "<f4" if space.kind == "float" else np.uint8)
    return matrix.reshape(len(packed), -1)


def split_by_bytes(
    rows: Sequence[dict[str, Any]], size_of: Callable[[dict[str, Any]], int]
) -> Iterator[list[dict[str, Any]]]:
    """Split rows into parts of at most 16 MiB; a row that is larger is a part of its own."""
    part: list[dict[str, Any]] = []
    part_bytes = 0
    for row in rows:
        row_bytes = size_of(row)
        if part and part_bytes + row_bytes > _MAX_MESSAGE_BYTES:
            yield part
            part, part_bytes = [], 0
        part.append(row)
        part_bytes += row_bytes
    if part:
        yield part


def _to_sparse_columns(packed: np.ndarray) -> dict[str, Any]:
    import numpy as np

    bits = np.flatnonzero(np.unpackbits(packed)).tolist()
    return {"ones": len(bits), "vector": dict.fromkeys(bits, max(len(bits), 1) ** -0.5)}
