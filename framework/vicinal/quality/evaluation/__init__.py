"""Evaluating: how good the answers of a solution, or the model of an encoder that learns, are; and the reports."""

from __future__ import annotations
