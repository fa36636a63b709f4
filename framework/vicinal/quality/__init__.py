"""Measuring: how good a solution's answers are, and what its index loses. ``evaluate`` is the way in.

Imports solution, search, stores, config, the plugin contract, types and toolkit; needs the extra ``evaluate``.
"""

from __future__ import annotations

from vicinal.quality.evaluation import evaluate
from vicinal.quality.model_report import ModelReport
from vicinal.quality.search_report import SearchReport

__all__ = ["ModelReport", "SearchReport", "evaluate"]
