"""The command line. Nothing here does any work: commands read options, call ``Solution``, and print."""

from __future__ import annotations

from vicinal.cli.app import main

__all__ = ["main"]
