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
    from vicinal.errors import ItemError, VicinalError
    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.hookspecs import hookimpl
    from vicinal.plugin.manager import EncoderBlock, create_manager
    from vicinal.plugin.params import LocalPath, Params
    from vicinal.plugin.reranker import Reranker
    from vicinal.plugin.source import Source
    from vicinal.solution.solution import Solution
    from vicinal.types import Failure, Hit, IngestReport, Item, Rendering, Segment, Space

__version__ = "0.1.0"

_HOMES = {
    "ItemError": "errors",
    "Encoder": "plugin.encoder",
    "EncoderBlock": "plugin.manager",
    "Failure": "types",
    "Hit": "types",
    "IngestReport": "types",
    "Item": "types",
    "LocalPath": "plugin.params",
    "Params": "plugin.params",
    "Rendering": "types",
    "Reranker": "plugin.reranker",
    "Segment": "types",
    "Solution": "solution.solution",
    "Source": "plugin.source",
    "Space": "types",
    "VicinalError": "errors",
    "create_manager": "plugin.manager",
    "hookimpl": "plugin.hookspecs",
}

__all__ = [
    "Encoder",
    "EncoderBlock",
    "Failure",
    "Hit",
    "IngestReport",
    "Item",
    "ItemError",
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
