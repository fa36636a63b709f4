"""Print what extras of vicinal need: ``python requirements.py EXTRA,EXTRA``, in the folder of the ``pyproject.toml``.

The image installs these before vicinal itself: a change of the source then needs none of them again.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any


def list_requirements(project: dict[str, Any], extras: set[str]) -> list[str]:
    """The requirements of vicinal with these extras, and with the extras that those name in turn."""
    optional = project["optional-dependencies"]
    if unknown := sorted(extras - set(optional)):
        raise SystemExit(f"no extra {', '.join(unknown)}; vicinal has {', '.join(sorted(optional))}")
    found = set(project["dependencies"])
    for requirement in (requirement for extra in extras for requirement in optional[extra]):
        named = re.match(r"vicinal\[([\w,]+)\]", requirement)
        found.update(list_requirements(project, set(named[1].split(","))) if named else [requirement])
    return sorted(found)


if __name__ == "__main__":
    pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    extras = {extra.strip() for extra in sys.argv[1].split(",") if extra.strip()}
    sys.stdout.write("\n".join(list_requirements(pyproject["project"], extras)) + "\n")
