"""Measures and shows a whole solution: how good its answers are, what its index loses, near-equal items, a map of all.

Imports solution, search, stores, config, the plugin contract, types and toolkit. ``evaluate`` needs the extra of its
name, the map the extra ``map``.
"""

from __future__ import annotations

from vicinal.quality.comparison.comparison import compare
from vicinal.quality.comparison.report import Comparison
from vicinal.quality.evaluation.evaluation import evaluate
from vicinal.quality.evaluation.model_report import ModelReport
from vicinal.quality.evaluation.search_report import SearchReport
from vicinal.quality.gate import build_gate
from vicinal.quality.self_test.report import SelfReport

__all__ = ["Comparison", "ModelReport", "SearchReport", "SelfReport", "build_gate", "compare", "evaluate"]
