"""The reference of the Python API, from signatures and docstrings."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pydantic import BaseModel

import vicinal
from generator.markdown import fence, from_docstring
from vicinal import errors, server, testing, types
from vicinal.config import models
from vicinal.plugin import manager
from vicinal.quality import estimates, gate, index_recall, tuning
from vicinal.quality.comparison import report as comparison_report
from vicinal.quality.comparison import size as comparison_size
from vicinal.quality.comparison import speed as comparison_speed
from vicinal.quality.duplicates import report as duplicate_report
from vicinal.quality.evaluation import model_report, search_details, search_report
from vicinal.quality.self_test import report as self_report
from vicinal.quality.tuning import latency
from vicinal.solution import consistency
from vicinal.solution import gate as solution_gate
from vicinal.solution.promotion import proof as promotion_proof
from vicinal.stores import layout, milvus_engine, records
from vicinal.toolkit import models as toolkit_models

__all__ = ["GROUPS", "python_page"]

INTRODUCTION = """\
What `from vicinal import …` gives, and the modules named here; everything else may change. `import vicinal` costs
nothing: each name is loaded when it is first used.

"""

MODULES = {"vicinal.server": server, "vicinal.testing": testing, "vicinal.toolkit.models": toolkit_models}

GROUPS: dict[str, tuple[str, ...]] = {
    "Solutions": (
        "Solution",
        "SearchRequest",
        "SearchResult",
        "Hit",
        "IngestReport",
        "CheckReport",
        "PromotionReport",
        "Proof",
        "Pair",
        "Failure",
        "Record",
        "Candidate",
        "Index",
    ),
    "Measuring and drawing": (
        "evaluate",
        "SearchReport",
        "PerQuery",
        "SearchDetails",
        "LabelFigure",
        "Confusions",
        "WorstQuery",
        "JudgedHit",
        "ModelReport",
        "SelfReport",
        "DisturbanceResult",
        "NearDuplicate",
        "Estimate",
        "BaselineComparison",
        "Trial",
        "IndexRecall",
        "tune",
        "TuneReport",
        "FrontierPoint",
        "Latency",
        "Throughput",
        "check_recall",
        "RecallCheck",
        "TunedIndex",
        "compare",
        "Comparison",
        "ComparedSolution",
        "PairedTest",
        "VectorSize",
        "Speed",
        "build_gate",
        "Gate",
        "GateResult",
        "find_duplicates",
        "DuplicateReport",
        "DuplicateGroup",
        "DuplicateItem",
        "QualityGate",
        "build_map",
        "ItemMap",
    ),
    "Without a network": ("write_bundle", "check_bundle", "BundleReport"),
    "Backups": ("back_up", "BackupReport", "restore", "RestoreReport"),
    "The server": ("vicinal.server.create_app", "vicinal.server.Settings"),
    "Items and what they are": ("Item", "Segment", "Space", "Modality", "Rendering"),
    "What plugins implement": ("Encoder", "Source", "Reranker", "ItemFilter", "Disturbance", "Evaluation", "HeldOut"),
    "What plugins use": (
        "Params",
        "EncoderBlock",
        "Registrar",
        "SettingsRegistrar",
        "Suggestion",
        "create_manager",
        "Manager",
        "PluginInfo",
        "write_samples",
        "vicinal.toolkit.models.Model",
    ),
    "Tests of plugins": (
        "vicinal.testing.EncoderContract",
        "vicinal.testing.SourceContract",
        "vicinal.testing.RerankerContract",
    ),
}
SHORT = {
    "hookimpl": "Marks a function of a plugin as the implementation of a [hook](hooks.md).",
    "LocalPath": "The type of a path in `Params`: a `pathlib.Path`; a relative one is relative to the YAML file.",
    "State": "What an encoder's `fit` returns: a `dict` of numpy arrays by name.",
    "RankItems": "What `Evaluation.fit_model` returns: a function of `(queries, k)`, `(n,)` numbers of queries, that\n"
    "returns the numbers of the best items, best first, of shape `(n, k)`, with -1 where there is no further one.",
}
HOMES: tuple[ModuleType, ...] = (
    vicinal,
    types,
    errors,
    consistency,
    promotion_proof,
    search_report,
    search_details,
    model_report,
    self_report,
    estimates,
    gate,
    solution_gate,
    duplicate_report,
    index_recall,
    tuning,
    latency,
    models,
    comparison_report,
    comparison_size,
    comparison_speed,
    records,
    layout,
    milvus_engine,
    manager,
)
"""Where a name is looked for: what public functions return is not public itself."""
ERRORS = """
All of them come from `vicinal.errors`; those that plugins raise, which follow, from `vicinal` too. `str(error)` is the
message, `error.hint` says what to do, `type(error).exit_code` is the exit code of a command that ends with it.
"""
WIDTH = 100


def python_page() -> str:
    text = "# The Python API\n\n" + INTRODUCTION
    for title, names in GROUPS.items():
        text += f"\n## {title}\n" + "".join(_describe(name, _find(name)) for name in names)
    text += "\n## Others\n" + "".join(f"\n### {name}\n\n{said}\n" for name, said in SHORT.items())
    text += "".join(_describe_modality(name) for name in vicinal.__all__ if isinstance(_find(name), types.Modality))
    text += "\n## Errors\n\n" + from_docstring(inspect.getdoc(errors) or "") + ERRORS
    text += "".join(_describe(name, _find(name)) for name in vicinal.__all__ if name in errors.__all__)
    return re.sub(r"\n{3,}", "\n\n", text)


def _describe_modality(name: str) -> str:
    modality = _find(name)
    way = "users type it" if modality.input == "text" else "users search with a file"
    return f"\n### {name}\n\nThe `Modality` whose label is `{modality.label}`; {way}.\n"


def _find(name: str) -> Any:
    module, _, short = name.rpartition(".")
    if module:
        return getattr(MODULES[module], short)
    return next(getattr(home, short) for home in HOMES if short in (*home.__all__, "__version__"))


def _describe(name: str, it: Any) -> str:
    short = name.rpartition(".")[2]
    text = f"\n### {name}\n\n" + fence(_signature(short, it), "python") + "\n" + _doc(it)
    if inspect.isclass(it) and not name.endswith("Contract"):
        for member, kind in _iter_members(it):
            text += f"\n#### {short}.{member}\n\n" + _member(member, kind)
    return text


def _iter_members(it: type) -> Iterator[tuple[str, Any]]:
    """Yield public members with a docstring in the order of definition, those of vicinal's base classes first."""
    bases = [base for base in reversed(it.__mro__) if base.__module__.split(".")[0] == "vicinal"]
    members = {name: it for base in bases for name, it in vars(base).items() if not name.startswith("_")}
    for name, member in members.items():
        function = getattr(member, "__func__", member)
        documented = inspect.isfunction(function) or isinstance(member, property)
        if documented and not name.startswith("model_") and inspect.getdoc(function):
            yield name, member


def _member(name: str, member: Any) -> str:
    if isinstance(member, property):
        returns = member.fget.__annotations__.get("return", "")
        return fence(f"{name}: {_annotation(returns)}", "python") + "\n" + _doc(member)
    prefix = "@classmethod\n" if isinstance(member, classmethod) else ""
    prefix = "@staticmethod\n" if isinstance(member, staticmethod) else prefix
    function = getattr(member, "__func__", member)
    return fence(prefix + _signature(name, function), "python") + "\n" + _doc(function)


def _doc(it: Any) -> str:
    return from_docstring(inspect.getdoc(it) or "")


def _signature(name: str, it: Any) -> str:
    if inspect.isclass(it) and inspect.isabstract(it):
        return f"class {name}"
    try:
        signature = inspect.signature(it)
    except ValueError:
        return f"class {name}"
    is_model = inspect.isclass(it) and issubclass(it, BaseModel)  # pydantic's annotations tell of its validators
    parameters = list(_iter_parameters(signature, annotated=not is_model))
    returns = signature.return_annotation
    arrow = "" if inspect.isclass(it) or returns is inspect.Signature.empty else f" -> {_annotation(returns)}"
    one_line = f"{name}({', '.join(parameters)}){arrow}"
    if len(one_line) <= WIDTH:
        return one_line
    return f"{name}(\n" + "".join(f"    {parameter},\n" for parameter in parameters) + f"){arrow}"


def _iter_parameters(signature: inspect.Signature, *, annotated: bool) -> Iterator[str]:
    starred = False
    for parameter in signature.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        starred = starred or stars == "*"
        said = stars + parameter.name
        if parameter.annotation is not parameter.empty and annotated:
            said += f": {_annotation(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            said += (" = " if annotated else "=") + _value(parameter.default)
        yield said


def _value(default: Any) -> str:
    """A default as it would be written; any but a plain value as `...`, since its text may depend on the machine."""
    if isinstance(default, str):
        return json.dumps(default, ensure_ascii=False)
    return repr(default) if default is None or isinstance(default, bool | int | float) or default == () else "..."


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
