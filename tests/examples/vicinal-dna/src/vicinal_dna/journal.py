"""A file that gets a line for each run, where the YAML of a solution asks for one."""

from __future__ import annotations

import json

from vicinal import IngestReport, LocalPath, Params


class Settings(Params):
    """What a YAML may write under ``plugins: {dna: {…}}``."""

    journal: LocalPath | None = None
    """A file to which each ingest run adds a line of JSON; none by default."""


class Journal:
    """Remembers the settings of each solution that is open, and writes its runs down."""

    def __init__(self) -> None:
        self._settings: dict[str, Settings] = {}

    def configure(self, solution: str, settings: Settings) -> None:
        self._settings[solution] = settings

    def write(self, solution: str, report: IngestReport) -> None:
        path = self._settings.get(solution, Settings()).journal
        if path:
            line = json.dumps({"solution": solution, "new": report.new, "failed": report.failed})
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
