"""What an encoder has learnt, as bytes: numpy's npz, which holds arrays alone and runs nothing when it is read.

It is not compressed: what large states hold, packed histories and vectors, hardly shrinks, and every process that opens
the solution would wait for it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, TypeAlias

from vicinal.errors import PluginError
from vicinal.toolkit.text import describe_kind

if TYPE_CHECKING:
    import numpy as np

__all__ = ["State", "hash_state", "pack_state", "unpack_state"]

State: TypeAlias = "Mapping[str, np.ndarray]"


def pack_state(state: State) -> bytes:
    """A state as npz.

    Raises:
        PluginError: it is not a mapping of names to arrays of numbers, booleans or texts.
    """
    import numpy as np

    if not isinstance(state, Mapping):
        raise PluginError(f"fit returned {describe_kind(state)}, not arrays by name", 'return {"name": array}')

    for name, array in state.items():
        if not isinstance(array, np.ndarray) or array.dtype.hasobject:
            kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else describe_kind(array)
            raise PluginError(
                f"fit returned {name!r} as {kind}", "return numpy arrays of numbers, booleans or texts (dtype U)"
            )
    buffer = io.BytesIO()
    np.savez(buffer, **state)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack_state(data: bytes) -> dict[str, np.ndarray]:
    """The state that ``pack_state`` made bytes of."""
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def hash_state(state: State) -> str:
    """Sixteen hexadecimal digits that change when an array does, whatever the file's format."""
    import numpy as np

    digest = blake2b(digest_size=8)
    for name in sorted(state):
        array = np.ascontiguousarray(state[name])
        digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
