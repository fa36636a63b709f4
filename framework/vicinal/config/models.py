"""The keys of a solution's YAML. These classes are at once the config, its validation and its JSON Schema."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
)

from vicinal.config.indexes import IndexType, check_parameters
from vicinal.config.ray_config import RayConfig
from vicinal.plugin.params import Params
from vicinal.types import Metric, SegmentMatch

__all__ = [
    "FILTER_KEYWORDS",
    "Block",
    "FieldSpec",
    "IndexConfig",
    "IngestConfig",
    "SolutionConfig",
    "StoresConfig",
    "TunedIndex",
    "parse_field",
]

FILTER_KEYWORDS = frozenset(
    {"and", "or", "not", "in", "like", "is", "null", "exists", "true", "false", "iso", "interval"}
)
"""The words of Milvus' filter language, in any case, which no field can be called."""

_NAME = r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*"
_FIELD = re.compile(
    r"^(?P<type>[a-z0-9]+)(?:\((?P<length>[0-9]+)\))?"
    r"(?:\s+from\s+(?:\"(?P<quoted>[^\"]+)\"|'(?P<single>[^']+)'|(?P<plain>[^\s\"'=](?:[^=]*[^\s=])?)))?"
    r"(?:\s*=\s*(?P<default>.*))?$"
)
_FIELD_TEXT = r"^ *(bool|int32|int64|float|double|varchar\([0-9]+\))( +from +[^ ].*)?( *=.*)?$"  # for editors
_FIELD_NAME = r"[A-Za-z_][A-Za-z0-9_]{0,199}"
_SHARE = r"[0-9]+(\.[0-9]+)?%"
_LARGEST_FLOAT = 3.4028235e38
_MAX_DIGITS = 20
_SCALARS = {"bool", "int32", "int64", "float", "double", "varchar"}


class Block(BaseModel):
    """A block that selects a plugin's class by its registered name, ``type``, and gives its parameters."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    type: str
    params: Any


class FieldSpec(BaseModel):
    """A declared scalar column: its Milvus type, a VARCHAR's length in bytes, and the value of items without one.

    ``metadata_key`` names the metadata that holds its values, where that is not the field's own name.
    """

    model_config = ConfigDict(frozen=True)

    type: Literal["bool", "int32", "int64", "float", "double", "varchar"]
    length: int = 0
    default: bool | int | float | str | None = None
    metadata_key: str = ""

    def coerce(self, value: Any) -> bool | int | float | str:
        """Convert a metadata value, which may be a text (as every cell of a CSV file is), or return the default.

        Raises:
            ValueError: the value is not of this type, or there is none and no default.
        """
        if value is None or (self.type != "varchar" and isinstance(value, str) and not value.strip()):
            if self.default is None:
                raise ValueError("has no value, and the field declares no default")
            return self.default
        return self.read(value)

    def read(self, value: Any) -> bool | int | float | str:
        """Convert a value to this column's type, or raise ValueError."""
        if self.type == "varchar":
            return _to_varchar(value, self.length)
        if self.type == "bool":
            return _to_bool(value)
        return _to_integer(value, self.type) if self.type.startswith("int") else _to_float(value, self.type)


def _to_varchar(value: Any, length: int) -> str:
    text = value if isinstance(value, str) else str(value)
    size = len(text.encode(errors="replace"))
    if size > length:
        raise ValueError(f"is {size:,} bytes long, the field holds {length:,}")
    return text


def _to_bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in ("true", "yes", "1", "1.0"):
        return True
    if text in ("false", "no", "0", "0.0"):
        return False
    raise ValueError(f"is not true or false: {_abbreviate_value(value)}")


def _to_integer(value: Any, type_: str) -> int:
    number = _parse_integer(value)
    if number is None or isinstance(value, bool):
        raise ValueError(f"is not {_with_article(type_)}: {_abbreviate_value(value)}")
    limit = 2 ** (int(type_[3:]) - 1)
    if not -limit <= number < limit:
        raise ValueError(f"is too large for {type_}: {_abbreviate_value(value)}")
    return number


def _parse_integer(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return _parse_whole_decimal(value) if isinstance(value, str) else None
    return number if isinstance(value, str) or number == value else None


def _parse_whole_decimal(text: str) -> int | None:
    """Parse ``2020.0``, which pandas writes for integers in a column that has gaps, without rounding by a float."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    is_small = number.is_finite() and number.adjusted() < _MAX_DIGITS
    return int(number) if is_small and number == number.to_integral_value() else None


def _to_float(value: Any, type_: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise ValueError(f"is not {_with_article(type_)}: {_abbreviate_value(value)}")
    if type_ == "float" and abs(number) > _LARGEST_FLOAT:
        raise ValueError(f"is too large for float: {_abbreviate_value(value)}; use double")
    return number


def _with_article(type_: str) -> str:
    return f"an {type_}" if type_.startswith("int") else f"a {type_}"


def _abbreviate_value(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def parse_field(text: str) -> FieldSpec:
    """Parse a field's declaration: ``varchar(64)``, ``int64``, ``double = 0.0``, ``int64 from yr = 0``.

    Raises:
        ValueError: the declaration is not valid.
    """
    match = _FIELD.match(text.strip())
    if match is None or match["type"] not in _SCALARS:
        raise ValueError(
            f"write one of {', '.join(sorted(_SCALARS))} (varchar with its length, as varchar(64)),"
            " then, where needed, `from NAME` of other metadata, then `= DEFAULT`"
        )
    length = int(match["length"] or 0)
    if (match["type"] == "varchar") != bool(length) or length > 65535:
        raise ValueError("varchar needs a length of 1 to 65535 bytes, as varchar(64); the other types take none")
    metadata_key = match["quoted"] or match["single"] or match["plain"] or ""
    spec = FieldSpec(type=match["type"], length=length, metadata_key=metadata_key)
    if match["default"] is None:
        return spec
    try:
        return spec.model_copy(update={"default": spec.read(match["default"].strip().strip("\"'"))})
    except ValueError as error:
        order = "; write `from` before `=`" if " from " in match["default"] else ""
        raise ValueError(f"its default {error}{order}") from None


def _check_field(text: str) -> str:
    parse_field(text)
    return text


def _check_field_name(name: str) -> str:
    if not re.fullmatch(_FIELD_NAME, name):
        raise ValueError("a field's name is a letter or _ and up to 199 letters, digits and _")
    if name.lower() in FILTER_KEYWORDS:
        raise ValueError(f"is a word of the filter language; choose another name, such as `{name}_: … from {name}`")
    return name


def _check_max_failures(value: int | str) -> int | str:
    if isinstance(value, str) and not re.fullmatch(_SHARE, value):
        raise ValueError("must be a number of items, or a share of those seen such as 1%")
    if isinstance(value, int) and value < 0:
        raise ValueError("must be 0 or more items, or a share of those seen such as 1%")
    return value


def _check_name(name: str) -> str:
    if not re.fullmatch(_NAME, name) or len(name) > 63:
        raise ValueError("must be a letter and up to 62 letters and digits, with a single - or _ between them")
    return name


Name = Annotated[str, AfterValidator(_check_name), Field(json_schema_extra={"pattern": f"^{_NAME}$", "maxLength": 63})]
FieldText = Annotated[str, AfterValidator(_check_field), Field(json_schema_extra={"pattern": _FIELD_TEXT})]
FieldName = Annotated[str, AfterValidator(_check_field_name), Field(json_schema_extra={"pattern": f"^{_FIELD_NAME}$"})]
Count = Annotated[int, Field(json_schema_extra={"minimum": 0})]
Share = Annotated[str, Field(json_schema_extra={"pattern": f"^{_SHARE}$"})]


class TunedIndex(Params):
    """What `vicinal tune` measured when it chose this index; `vicinal check --recall` compares with it."""

    date: str = ""
    """The day, as 2026-11-26."""
    recall: Annotated[float, Field(ge=0, le=1)]
    """The share of the nearest neighbours that it found, over queries that did not choose it."""
    low: Annotated[float, Field(ge=0, le=1)]
    """The lower end of the recall's 95% interval."""
    target: Annotated[float, Field(gt=0, le=1)]
    """The recall that was wanted."""
    limit: Annotated[int, Field(ge=1, le=16384)]
    """Neighbours of a query."""
    filters: list[str] = Field(default_factory=list)
    """Filters under which it has that recall, too."""
    queries: Literal["log", "held-out", "stored"] = "stored"
    """What was asked: queries of a log, items that were not in the index, or items that were."""
    rows: Annotated[int, Field(ge=0)]
    """Rows of the collection."""
    data: str = ""
    """The fingerprint of the collection's ids and vectors."""


class IndexConfig(Params):
    """The vector index: how Milvus finds similar vectors."""

    type: IndexType = "auto"
    """The index's name in Milvus: FLAT, IVF_FLAT, IVF_SQ8, HNSW, BIN_IVF_FLAT …; auto chooses by engine and size."""
    metric: Metric | None = None
    """How similarity is measured: COSINE, IP, L2 or JACCARD; default: the encoder's preferred metric."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Build parameters, such as nlist, M, efConstruction; see the table of indexes."""
    search: dict[str, Any] = Field(default_factory=dict)
    """Search parameters, such as nprobe, ef; see the table of indexes."""
    replicas: Annotated[int, Field(ge=1)] | None = None
    """How many query nodes of a Milvus cluster hold the collection, so that more searches run at once; by default what
    Milvus is configured to, which is 1."""
    resource_groups: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    """The resource groups of Milvus whose query nodes hold it: one for all replicas, or one for each."""
    tuned: TunedIndex | None = None
    """What `vicinal tune` measured; it has no effect on the index."""

    @field_validator("resource_groups")
    @classmethod
    def _check_resource_groups(cls, groups: list[str], info: ValidationInfo) -> list[str]:
        if len({*groups}) < len(groups):
            raise ValueError("names one twice")
        if "replicas" in info.data and len(groups) > 1 and len(groups) != info.data["replicas"]:
            raise ValueError(f"names {len(groups)}, which needs `replicas: {len(groups)}`, one for each")
        return groups

    @field_validator("params", "search")
    @classmethod
    def _check_parameters(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "type" not in info.data or not info.field_name:  # the type itself is invalid
            return values
        return check_parameters(info.data["type"], info.field_name, values)


class StoresConfig(Params):
    """Where vectors and metadata are stored."""

    milvus: str = ""
    """A path ending in .db (an embedded Milvus Lite), or the URI of a server or a cluster. Default:
    `${MILVUS_URI:-.vicinal/{name}/milvus.db}`."""
    redis: str = ""
    """A folder (an embedded Redis, started by vicinal; `VICINAL_REDIS_SERVER` may name the redis-server for it), or a
    redis://, rediss:// or unix:// URL of a Redis or Valkey from 6.2 on; redis+sentinel://HOST:26379,HOST2:26379/SERVICE/0
    of one that Sentinels watch; redis+cluster://HOST:6379,HOST2:6379 of a Redis Cluster. Default:
    `${REDIS_URL:-.vicinal/redis}`."""
    token: str | None = None
    """Milvus' user:password or API key; only from an environment variable, as ${NAME}."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Seconds to wait for a connection."""


class IngestConfig(Params):
    """How an ingest run handles failures, and what it runs on."""

    engine: Literal["local", "ray"] = "local"
    """What decodes and encodes: `local`, this machine, or `ray`, the workers of a Ray cluster; this machine writes."""
    ray: RayConfig = RayConfig()
    """The Ray cluster, for `engine: ray`; its keys are below."""
    max_failures: Annotated[Count | Share, AfterValidator(_check_max_failures)] | None = None
    """Stop a run when more items than this fail: a number, or a share such as 1%. Default: no limit; every failure is
    recorded."""
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    """Threads that decode items; with `engine: ray` those of each worker, by default one for each of its cores."""
    batch_size: Annotated[int, Field(ge=1, le=10000)] | None = None
    """Samples that are encoded together, where the segments of an item stay together; default: the encoder's preferred
    batch size."""
    renamed_keys: ClassVar[Mapping[str, str]] = {"batch": "batch_size"}


class SolutionConfig(Params):
    """A solution: what to read, how to encode it, how to index it, and where to store it."""

    name: Name
    """The solution's name, and that of its Milvus collection, its keys in Redis and the folder of embedded stores.
    Solutions that share a Milvus need different names."""
    source: Block
    """Where items come from: `type` and its parameters."""
    encoder: Block
    """How items become vectors: `type` and its parameters."""
    index: IndexConfig = IndexConfig()
    """The vector index, or just `auto`."""
    fields: dict[FieldName, FieldText] = Field(default_factory=dict)
    """Metadata that becomes a column, so that a filter can use it: name to type, as `year: int64 = 0`; for metadata of
    another name, `year: int64 from yr = 0`."""
    hybrid: bool = False
    """Search by full text (BM25) beside vectors, joined by reciprocal rank fusion; for encoders of texts."""
    match: SegmentMatch = "mean"
    """How a query of several segments, as a video or a windowed sound, ranks items: by the `mean` over its segments of
    each one's best match in the item, or by the `best` match of any of them."""
    rerank: Block | None = None
    """How candidates are reordered: `type` and its parameters."""
    stores: StoresConfig = StoresConfig()
    """Where vectors and metadata are stored."""
    ingest: IngestConfig = IngestConfig()
    """How an ingest run handles failures, and what it runs on."""
    plugins: dict[str, SerializeAsAny[Params]] = Field(default_factory=dict)
    """Settings of plugins by their name, as `log: {max_failures: 10}`."""

    @property
    def field_specs(self) -> dict[str, FieldSpec]:
        """The declared fields, parsed."""
        return {name: parse_field(text) for name, text in self.fields.items()}
