"""vicinal turns one YAML file into a working similarity search on Milvus and Redis.

    >>> from vicinal import Solution
    >>> with Solution.from_yaml("configs/qa.yaml") as qa:
    ...     qa.ingest()
    ...     qa.search("how do I pick nprobe", limit=5)

Everything here is loaded when it is first used, so that ``import vicinal`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vicinal.encoder import Encoder
    from vicinal.errors import BadItem, VicinalError
    from vicinal.hookspecs import hookimpl
    from vicinal.model import Failure, Hit, IngestReport, Item, Rendering, Segment, Space
    from vicinal.params import LocalPath, Params
    from vicinal.plugins import EncoderBlock, create_manager
    from vicinal.reranker import Reranker
    from vicinal.solution import Solution
    from vicinal.source import Source

__version__ = "0.1.0"

_HOMES = {
    "BadItem": "errors",
    "Encoder": "encoder",
    "EncoderBlock": "plugins",
    "Failure": "model",
    "Hit": "model",
    "IngestReport": "model",
    "Item": "model",
    "LocalPath": "params",
    "Params": "params",
    "Rendering": "model",
    "Reranker": "reranker",
    "Segment": "model",
    "Solution": "solution",
    "Source": "source",
    "Space": "model",
    "VicinalError": "errors",
    "create_manager": "plugins",
    "hookimpl": "hookspecs",
}

__all__ = [
    "BadItem",
    "Encoder",
    "EncoderBlock",
    "Failure",
    "Hit",
    "IngestReport",
    "Item",
    "LocalPath",
    "Params",
    "Rendering",
    "Reranker",
    "Segment",
    "Solution",
    "Source",
    "Space",
    "VicinalError",
    "__version__",
    "create_manager",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vicinal' has no attribute {name!r}")
    return getattr(import_module(f"vicinal.{_HOMES[name]}"), name)
