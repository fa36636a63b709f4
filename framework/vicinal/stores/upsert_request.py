"""Upserts whose rows are packed column by column.

Milvus' client packs row by row, and float by float: 33 µs for a row of 128 floats, more than everything else that a run
does with it. Here a matrix becomes the bytes of the message at once, which takes 0.5 µs a row; the message is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pymilvus import DataType
from pymilvus.client.utils import check_status
from pymilvus.decorators import retry_on_rpc_failure
from pymilvus.grpc_gen.milvus_pb2 import UpsertRequest

if TYPE_CHECKING:
    from pymilvus import MilvusClient

__all__ = ["build_upsert_request", "send_upsert_request"]

_SCALARS = {
    DataType.BOOL: "bool_data",
    DataType.INT8: "int_data",
    DataType.INT16: "int_data",
    DataType.INT32: "int_data",
    DataType.INT64: "long_data",
    DataType.FLOAT: "float_data",
    DataType.DOUBLE: "double_data",
    DataType.VARCHAR: "string_data",
}
_FLOATS_TAG = b"\x0a"
"""Of the field ``repeated float data = 1``, whose numbers are packed: a length, and then their bytes."""


def build_upsert_request(
    collection: str, types: Mapping[str, DataType], rows: Sequence[Mapping[str, Any]]
) -> UpsertRequest:
    """The message that upserts these rows, each with a value for every column of ``types``."""
    request = UpsertRequest(collection_name=collection, num_rows=len(rows))
    for name, type_ in types.items():
        field = request.fields_data.add(field_name=name, type=type_)
        values = [row[name] for row in rows]
        if type_ == DataType.FLOAT_VECTOR:
            matrix = np.asarray(values, "<f4")
            field.vectors.dim = matrix.shape[1]
            field.vectors.float_vector.MergeFromString(_FLOATS_TAG + _to_varint(matrix.nbytes) + matrix.tobytes())
        elif type_ == DataType.BINARY_VECTOR:
            field.vectors.dim = 8 * len(values[0])
            field.vectors.binary_vector = b"".join(values)
        else:
            getattr(field.scalars, _SCALARS[type_]).data.extend(values)
    return request


def _to_varint(number: int) -> bytes:
    """A whole number as protocol buffers write lengths: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def send_upsert_request(client: MilvusClient, request: UpsertRequest, timeout: float) -> None:
    """Send it as the client's own ``upsert`` does: by its connection, with its retries, in its database."""
    metadata = client._generate_call_context().to_grpc_metadata()
    _send_upsert(client._get_connection(), request, metadata, timeout=timeout)


@retry_on_rpc_failure()  # type: ignore[untyped-decorator]
def _send_upsert(handler: Any, request: UpsertRequest, metadata: Any, *, timeout: float) -> None:
    check_status(handler._stub.Upsert(request, timeout=timeout, metadata=metadata).status)
