"""Comparing solutions on the same queries: quality with a paired test, size and speed."""

from __future__ import annotations
