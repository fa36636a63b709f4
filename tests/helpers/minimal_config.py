"""The shortest YAML of a solution, to which tests of configs add."""

from __future__ import annotations

GOOD = """\
name: things
source: {type: lines, path: items.txt}
encoder: {type: hashed}
"""
