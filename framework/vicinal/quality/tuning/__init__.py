"""Choosing an index by measurement: ``tune`` finds the quickest that reaches a recall, ``check_recall`` looks again."""

from __future__ import annotations

from vicinal.quality.tuning.page import build_page
from vicinal.quality.tuning.recall_check import RecallCheck, check_recall
from vicinal.quality.tuning.report import FrontierPoint, TuneReport
from vicinal.quality.tuning.tuning import tune

__all__ = ["FrontierPoint", "RecallCheck", "TuneReport", "build_page", "check_recall", "tune"]
