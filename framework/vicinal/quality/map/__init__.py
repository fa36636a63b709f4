"""The map: a solution's items as points on a plane, near ones together."""

from __future__ import annotations
