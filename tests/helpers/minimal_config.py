"""The minimal YAML of a solution, which tests of configs extend."""

from __future__ import annotations

MINIMAL_YAML = """\
name: things
source: {type: lines, path: items.txt}
encoder: {type: hashed}
"""
