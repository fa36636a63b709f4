"""Measures and shows a whole solution: how good its answers are, what its index loses, near-equal items, a map of all.

Imports solution, search, stores, config, the plugin contract, types and toolkit. ``evaluate`` needs the extra of its
name, the map the extra ``map``.
"""

from __future__ import annotations

from vicinal.quality.evaluation import evaluate
from vicinal.quality.model_report import ModelReport
from vicinal.quality.search_report import SearchReport

__all__ = ["ModelReport", "SearchReport", "evaluate"]
