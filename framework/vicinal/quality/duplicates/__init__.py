"""Near-equal items: pairs found through the index, their groups, and which of each to keep."""

from __future__ import annotations
