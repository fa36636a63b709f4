"""A benchmark of several parts, each of which fills tables; the command line may name some of them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

import common
from common import Results

Part = Callable[[argparse.Namespace, Results], None]


class Program:
    """The command line of some parts; those in ``optional`` run only if they are named."""

    def __init__(self, description: str | None, parts: Mapping[str, Part], optional: Sequence[str] = ()) -> None:
        self._parts = parts
        self._default_parts = [name for name in parts if name not in optional]
        default_text = f"all but {' and '.join(optional)}" if optional else "all"
        self.parser = common.create_parser(description)
        self.parser.add_argument(
            "parts", nargs="*", metavar="PART", help=f"what to run: {', '.join(parts)}; {default_text} by default"
        )
        self.parser.add_argument("--rounds", type=int, default=3, metavar="N", help="turns of each contender (3)")

    def parse_options(self) -> argparse.Namespace:
        """Parse the command line; an unknown part ends the program."""
        options = self.parser.parse_args()
        if unknown := set(options.parts) - set(self._parts):
            self.parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(self._parts)}")
        return options

    def run(self, options: argparse.Namespace) -> None:
        results = Results(options.json)
        for name in options.parts or self._default_parts:
            self._parts[name](options, results)
        results.print()
