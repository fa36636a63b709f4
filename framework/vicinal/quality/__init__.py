"""What is measured and shown of a whole solution: how good its answers are, what its index loses, the map of its items.

Imports solution, search, stores, config, the plugin contract, types and toolkit. ``evaluate`` needs the extra of its
name, the map the extra ``map``.
"""

from __future__ import annotations

from vicinal.quality.comparison import compare
from vicinal.quality.comparison_report import Comparison
from vicinal.quality.evaluation import evaluate
from vicinal.quality.model_report import ModelReport
from vicinal.quality.search_report import SearchReport
from vicinal.quality.self_report import SelfReport

__all__ = ["Comparison", "ModelReport", "SearchReport", "SelfReport", "compare", "evaluate"]
