"""A benchmark of several parts, which turn by turn fill the tables; the command line may name some of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

import common
from common import Results

Part = Callable[[argparse.Namespace, Results], None]


class Program:
    """A command line for some parts; ``aside`` are those that run only where they are named."""

    def __init__(self, description: str | None, parts: Mapping[str, Part], aside: Sequence[str] = ()) -> None:
        self._parts = parts
        self._usual = [name for name in parts if name not in aside]
        usual = f"all but {' and '.join(aside)}" if aside else "all"
        self.parser = common.parser(description)
        self.parser.add_argument(
            "parts", nargs="*", metavar="PART", help=f"what to run: {', '.join(parts)}; {usual} by default"
        )
        self.parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each contender (3)")

    def options(self) -> argparse.Namespace:
        """What the command line says; a part that there is not ends the program."""
        options = self.parser.parse_args()
        if unknown := set(options.parts) - set(self._parts):
            self.parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(self._parts)}")
        return options

    def run(self, options: argparse.Namespace) -> None:
        results = Results(options.json)
        for name in options.parts or self._usual:
            self._parts[name](options, results)
        results.print()
