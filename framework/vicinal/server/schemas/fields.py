"""Fields that several bodies have, with their bounds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, PlainValidator, TypeAdapter

__all__ = [
    "BOUNDS",
    "MAX_KEY_CHARS",
    "MAX_SAFE_INTEGER",
    "MAX_SIMILARITY",
    "MAX_VECTOR_NUMBERS",
    "DisplayKind",
    "Diversity",
    "Examples",
    "Filter",
    "Key",
    "Limit",
    "Pattern",
    "Query",
    "QueryText",
    "RequestBody",
    "ResponseBody",
    "Similarity",
    "to_int",
]

BOUNDS = "x-bounds"
"""In a schema: the names of the settings that bound the value, as ``{"maximum": "max_limit"}``."""
MAX_KEY_CHARS = 1024
MAX_VECTOR_NUMBERS = 262_144
MAX_SIMILARITY = 1e38
"""About the largest float32, as which Milvus returns inner products."""
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest that every JSON parser reads exactly."""

# The bounds of keys, queries and filters are only in the schema: the routes refuse what is beyond with plainer errors.


def to_int(value: Any) -> Any:
    """Take 2.0 for 2: JSON Schema counts it among the integers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Limit = Annotated[int, Field(ge=1, json_schema_extra={BOUNDS: {"maximum": "max_limit"}}), BeforeValidator(to_int)]
Key = Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": MAX_KEY_CHARS})]
QueryText = Annotated[str, Field(json_schema_extra={"minLength": 1, BOUNDS: {"maxLength": "max_query_chars"}})]
_Vector = Annotated[list[FiniteFloat], Field(min_length=1, max_length=MAX_VECTOR_NUMBERS)]
_TEXT_ADAPTER = TypeAdapter(QueryText)
_VECTOR_ADAPTER = TypeAdapter(_Vector)


def _check_query(value: Any) -> Any:
    """Check a query by its kind: an error of a union would speak of both."""
    adapter: TypeAdapter[Any] = _VECTOR_ADAPTER if isinstance(value, list) else _TEXT_ADAPTER
    return adapter.validate_python(value, strict=True)


Query = Annotated[str | list[float], PlainValidator(_check_query, json_schema_input_type=QueryText | _Vector)]
Filter = Annotated[
    str, Field(json_schema_extra={"format": "milvus-expression", BOUNDS: {"maxLength": "max_query_chars"}})
]
Pattern = Annotated[str, Field(json_schema_extra={BOUNDS: {"maxLength": "max_query_chars"}})]
Examples = Annotated[list[Query], Field(json_schema_extra={BOUNDS: {"maxItems": "max_queries"}})]
Similarity = Annotated[FiniteFloat, Field(ge=-MAX_SIMILARITY, le=MAX_SIMILARITY)]
Diversity = Annotated[FiniteFloat, Field(ge=0, le=1)]


class ResponseBody(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class RequestBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


DisplayKind = Literal["text", "svg", "image", "audio", "video"]
