"""Arguments and options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

__all__ = ["FILE", "IN_FILE", "seed_option"]

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.argument("file", type=click.Path(path_type=Path))
"""The YAML of a solution."""
IN_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def seed_option(of: str) -> Callable[[F], F]:
    """The option ``--seed``, of what is drawn at random."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help=of)
