"""What a solution's YAML may say. These classes are the config, its check and its JSON Schema at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vicinal.plugin.params import Params
from vicinal.types import Metric

__all__ = ["Block", "FieldSpec", "IndexConfig", "IngestConfig", "SolutionConfig", "StoresConfig", "parse_field"]

_NAME = r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*"
_FIELD = re.compile(r"^(?P<type>[a-z0-9]+)(?:\((?P<length>[0-9]+)\))?(?:\s*=\s*(?P<default>.*))?$")
_FIELD_TEXT = r"^ *(bool|int32|int64|float|double|varchar\([0-9]+\))( *=.*)?$"  # for editors
_FIELD_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SHARE = r"[0-9]+(\.[0-9]+)?%"
_LARGEST_FLOAT = 3.4028235e38
_SCALARS = {"bool", "int32", "int64", "float", "double", "varchar"}
_RESERVED = {"id", "item", "segment", "start", "end", "vector", "ones", "text", "text_sparse"}


class Block(BaseModel):
    """A plugin's block: the name of the plugin's class under ``type``, and its parameters beside it."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    type: str
    params: Any


class FieldSpec(BaseModel):
    """A declared scalar column: a Milvus type, a VARCHAR's length in bytes, and what an item without it gets."""

    model_config = ConfigDict(frozen=True)

    type: Literal["bool", "int32", "int64", "float", "double", "varchar"]
    length: int = 0
    default: bool | int | float | str | None = None

    def coerce(self, value: Any) -> bool | int | float | str:
        """The value as this column holds it, read from a text where it is one (as every cell of a CSV file is).

        Raises:
            ValueError: the value is not of this type, or there is none and no default.
        """
        if value is None or (value == "" and self.type != "varchar"):
            if self.default is None:
                raise ValueError("has no value, and the field declares no default")
            return self.default
        return self.read(value)

    def read(self, value: Any) -> bool | int | float | str:
        """The value as this column holds it, or a ValueError."""
        if self.type == "varchar":
            return _text(value, self.length)
        if self.type == "bool":
            return _boolean(value)
        return _integer(value, self.type) if self.type.startswith("int") else _real(value, self.type)


def _text(value: Any, length: int) -> str:
    text = value if isinstance(value, str) else str(value)
    size = len(text.encode(errors="replace"))
    if size > length:
        raise ValueError(f"is {size:,} bytes long, the field holds {length:,}")
    return text


def _boolean(value: Any) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if (text := str(value).strip().lower()) not in known:
        raise ValueError(f"is not true or false: {_short(value)}")
    return known[text]


def _integer(value: Any, type_: str) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or isinstance(value, bool) or (isinstance(value, float) and value != number):
        raise ValueError(f"is no {type_}: {_short(value)}")
    most = 2 ** (int(type_[3:]) - 1)
    if not -most <= number < most:
        raise ValueError(f"is too large for {type_}: {_short(value)}")
    return number


def _real(value: Any, type_: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise ValueError(f"is no {type_}: {_short(value)}")
    if type_ == "float" and abs(number) > _LARGEST_FLOAT:
        raise ValueError(f"is too large for float: {_short(value)}; use double")
    return number


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def parse_field(text: str) -> FieldSpec:
    """Read a field's declaration: ``varchar(64)``, ``int64``, ``double = 0.0``.

    Raises:
        ValueError: the declaration cannot be read.
    """
    match = _FIELD.match(text.strip())
    if match is None or match["type"] not in _SCALARS:
        raise ValueError(f"write one of {', '.join(sorted(_SCALARS))} (varchar with its length, as varchar(64))")
    length = int(match["length"] or 0)
    if (match["type"] == "varchar") != bool(length) or length > 65535:
        raise ValueError("varchar needs a length of 1 to 65535 bytes, as varchar(64); the other types take none")
    spec = FieldSpec(type=match["type"], length=length)
    if match["default"] is None:
        return spec
    try:
        return spec.model_copy(update={"default": spec.read(match["default"].strip().strip("\"'"))})
    except ValueError as error:
        raise ValueError(f"its default {error}") from None


def _check_field(text: str) -> str:
    parse_field(text)
    return text


def _check_field_name(name: str) -> str:
    if name in _RESERVED or not re.fullmatch(_FIELD_NAME, name):
        raise ValueError("a field's name is letters, digits and _, and none of " + ", ".join(sorted(_RESERVED)))
    return name


def _check_budget(value: int | str) -> int | str:
    if isinstance(value, str) and not re.fullmatch(_SHARE, value):
        raise ValueError("write a number of items, or a share of those seen as 1%")
    if isinstance(value, int) and value < 0:
        raise ValueError("write 0 or more items, or a share of those seen as 1%")
    return value


def _check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name) or len(name) > 63:
        raise ValueError("a name is a letter and up to 62 letters and digits, with a single - or _ between them")
    return name


Name = Annotated[str, AfterValidator(_check_name), Field(json_schema_extra={"pattern": f"^{_NAME}$", "maxLength": 63})]
FieldText = Annotated[str, AfterValidator(_check_field), Field(json_schema_extra={"pattern": _FIELD_TEXT})]
FieldName = Annotated[str, AfterValidator(_check_field_name), Field(json_schema_extra={"pattern": f"^{_FIELD_NAME}$"})]
Count = Annotated[int, Field(json_schema_extra={"minimum": 0})]
Share = Annotated[str, Field(json_schema_extra={"pattern": f"^{_SHARE}$"})]


IndexType = Literal[
    "auto", "AUTOINDEX", "FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW", "HNSW_SQ", "HNSW_PQ", "HNSW_PRQ", "SCANN",
    "DISKANN", "BIN_FLAT", "BIN_IVF_FLAT",
]  # fmt: skip


class IndexConfig(Params):
    """The vector index: how Milvus finds near vectors."""

    type: IndexType = "auto"
    """The index's name in Milvus: FLAT, IVF_FLAT, IVF_SQ8, HNSW, BIN_IVF_FLAT …; auto picks by engine and size."""
    metric: Metric | None = None
    """How nearness is measured: COSINE, IP, L2 or JACCARD; the encoder's own by default."""
    params: dict[str, int | float | str | bool] = Field(default_factory=dict)
    """Parameters of building it, as nlist, M, efConstruction."""
    search: dict[str, int | float | str | bool] = Field(default_factory=dict)
    """Parameters of searching it, as nprobe, ef."""


class StoresConfig(Params):
    """Where vectors and metadata are kept."""

    milvus: str = ""
    """A path ending in .db (an embedded Milvus Lite), or the URI of a server or a cluster. Without it:
    `${MILVUS_URI:-.vicinal/{name}/milvus.db}`."""
    redis: str = ""
    """A folder (an embedded Redis that vicinal starts itself), or a redis://, rediss:// or unix:// URL. Without it:
    `${REDIS_URL:-.vicinal/redis}`."""
    token: str | None = None
    """Milvus' user:password or API key; only as ${NAME} of an environment variable."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Seconds to wait for a connection."""


class IngestConfig(Params):
    """How a run treats failures and the machine."""

    max_failures: Annotated[Count | Share, AfterValidator(_check_budget)] | None = None
    """Stop a run when more items than this fail: a number, or a share as 1%. By default every failure is recorded."""
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Threads that decode items."""
    batch_size: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Samples that are encoded together, where the segments of an item stay together; default: the encoder's preferred
    batch size."""
    renamed_keys: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}


class SolutionConfig(Params):
    """A solution: what to read, how to encode it, how to index it, and where to keep it."""

    name: Name
    """The solution's name: it names the Milvus collection, the keys in Redis and the folder of embedded stores."""
    source: Block
    """Where items come from: `type` and its parameters."""
    encoder: Block
    """What turns items into vectors: `type` and its parameters."""
    index: IndexConfig = IndexConfig()
    """The vector index, or just `auto`."""
    fields: dict[FieldName, FieldText] = Field(default_factory=dict)
    """Metadata that becomes a column, so that a filter can use it: name to type, as `year: int64 = 0`."""
    hybrid: bool = False
    """Search words (BM25) beside vectors and join both by reciprocal rank fusion; for encoders of texts."""
    rerank: Block | None = None
    """What puts the candidates in a better order: `type` and its parameters."""
    stores: StoresConfig = StoresConfig()
    """Where vectors and metadata are kept."""
    ingest: IngestConfig = IngestConfig()
    """How a run treats failures and the machine."""

    @property
    def field_specs(self) -> dict[str, FieldSpec]:
        """The declared fields, read."""
        return {name: parse_field(text) for name, text in self.fields.items()}
