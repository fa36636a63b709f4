"""The command line: each command reads its options, calls ``Solution``, and prints.

Imports every room.
"""

from __future__ import annotations

from vicinal.cli.app import main

__all__ = ["main"]
