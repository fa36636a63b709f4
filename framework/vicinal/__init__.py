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
    from vicinal.errors import (
        DependencyError,
        FilterError,
        ItemError,
        ItemSkipped,
        PluginError,
        SourceError,
        VicinalError,
    )
    from vicinal.plugin.block import EncoderBlock
    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.evaluation import Disturbance, Evaluation, HeldOut
    from vicinal.plugin.hookspecs import hookimpl
    from vicinal.plugin.item_filter import ItemFilter
    from vicinal.plugin.manager import create_manager
    from vicinal.plugin.params import LocalPath, Params
    from vicinal.plugin.registry import Registrar, SettingsRegistrar
    from vicinal.plugin.reranker import Reranker
    from vicinal.plugin.source import Source
    from vicinal.plugin.state import State
    from vicinal.plugin.suggestion import Suggestion
    from vicinal.quality import build_gate, compare, evaluate
    from vicinal.quality.duplicates.duplicates import find_duplicates
    from vicinal.quality.duplicates.report import DuplicateReport
    from vicinal.quality.map.item_map import ItemMap, build_map
    from vicinal.quality.tuning import RecallCheck, TuneReport, check_recall, tune
    from vicinal.solution.backup import BackupReport, back_up
    from vicinal.solution.bundle import BundleReport, check_bundle, write_bundle
    from vicinal.solution.promotion.report import PromotionReport
    from vicinal.solution.restore import RestoreReport, restore
    from vicinal.solution.samples import write_samples
    from vicinal.solution.solution import Solution
    from vicinal.types import (
        AUDIO,
        IMAGE,
        TEXT,
        VIDEO,
        Failure,
        Hit,
        IngestReport,
        Item,
        Modality,
        Rendering,
        Segment,
        Space,
    )

__version__ = "0.1.0"

_HOMES = {
    "AUDIO": "types",
    "BundleReport": "solution.bundle",
    "BackupReport": "solution.backup",
    "DependencyError": "errors",
    "DuplicateReport": "quality.duplicates.report",
    "Disturbance": "plugin.evaluation",
    "Encoder": "plugin.encoder",
    "EncoderBlock": "plugin.block",
    "Evaluation": "plugin.evaluation",
    "Failure": "types",
    "FilterError": "errors",
    "HeldOut": "plugin.evaluation",
    "Hit": "types",
    "IMAGE": "types",
    "IngestReport": "types",
    "Item": "types",
    "ItemError": "errors",
    "ItemSkipped": "errors",
    "ItemFilter": "plugin.item_filter",
    "ItemMap": "quality.map.item_map",
    "LocalPath": "plugin.params",
    "Modality": "types",
    "Params": "plugin.params",
    "PluginError": "errors",
    "PromotionReport": "solution.promotion.report",
    "RecallCheck": "quality.tuning",
    "Registrar": "plugin.registry",
    "Rendering": "types",
    "Reranker": "plugin.reranker",
    "RestoreReport": "solution.restore",
    "Segment": "types",
    "SettingsRegistrar": "plugin.registry",
    "Solution": "solution.solution",
    "Source": "plugin.source",
    "SourceError": "errors",
    "Space": "types",
    "State": "plugin.state",
    "Suggestion": "plugin.suggestion",
    "TEXT": "types",
    "TuneReport": "quality.tuning",
    "VIDEO": "types",
    "VicinalError": "errors",
    "back_up": "solution.backup",
    "build_gate": "quality.gate",
    "build_map": "quality.map.item_map",
    "check_bundle": "solution.bundle",
    "compare": "quality",
    "check_recall": "quality.tuning",
    "create_manager": "plugin.manager",
    "evaluate": "quality",
    "find_duplicates": "quality.duplicates.duplicates",
    "hookimpl": "plugin.hookspecs",
    "restore": "solution.restore",
    "tune": "quality.tuning",
    "write_bundle": "solution.bundle",
    "write_samples": "solution.samples",
}

__all__ = [
    "AUDIO",
    "IMAGE",
    "TEXT",
    "VIDEO",
    "BackupReport",
    "BundleReport",
    "DependencyError",
    "Disturbance",
    "DuplicateReport",
    "Encoder",
    "EncoderBlock",
    "Evaluation",
    "Failure",
    "FilterError",
    "HeldOut",
    "Hit",
    "IngestReport",
    "Item",
    "ItemError",
    "ItemFilter",
    "ItemMap",
    "ItemSkipped",
    "LocalPath",
    "Modality",
    "Params",
    "PluginError",
    "PromotionReport",
    "RecallCheck",
    "Registrar",
    "Rendering",
    "Reranker",
    "RestoreReport",
    "Segment",
    "SettingsRegistrar",
    "Solution",
    "Source",
    "SourceError",
    "Space",
    "State",
    "Suggestion",
    "TuneReport",
    "VicinalError",
    "__version__",
    "back_up",
    "build_gate",
    "build_map",
    "check_bundle",
    "check_recall",
    "compare",
    "create_manager",
    "evaluate",
    "find_duplicates",
    "hookimpl",
    "restore",
    "tune",
    "write_bundle",
    "write_samples",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vicinal' has no attribute {name!r}")
    return getattr(import_module(f"vicinal.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
