"""The self test: whether items are found by themselves, disturbed as users' queries are."""

from __future__ import annotations
