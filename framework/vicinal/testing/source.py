"""The contract of sources as a test class: inherit it and make the source with its data in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from vicinal.errors import SourceError
from vicinal.plugin.source import Source
from vicinal.testing.checks import assert_described, assert_frozen, assert_strict
from vicinal.testing.process import ask
from vicinal.types import Failure, Item

__all__ = ["SourceContract"]


class SourceContract:
    """Every test that a source must pass. A subclass gives ``make_source``, with three or more items in its data."""

    def make_source(self, tmp_path: Path) -> Source:
        """Write the data below ``tmp_path`` and make the source that reads it."""
        raise NotImplementedError

    def remove_data(self, tmp_path: Path) -> None:
        """Take the data away; override it for data that is not below ``tmp_path``."""
        assert any(tmp_path.iterdir()), "override `remove_data`: the data is not below tmp_path"
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def test_params_are_frozen_strict_and_described(self, tmp_path: Path) -> None:
        params = type(self.make_source(tmp_path)).Params
        assert_frozen(params)
        assert_strict(params)
        assert_described(params)

    def test_making_one_imports_nothing_heavy(self, tmp_path: Path) -> None:
        source = self.make_source(tmp_path)
        answer = ask(partial(_make_source, type(source), source.params), type(source))
        assert not answer.heavy, f"import {', '.join(answer.heavy)} where it works: in __iter__"

    def test_making_one_reads_nothing(self, tmp_path: Path) -> None:
        early = self.make_source(tmp_path)
        self.remove_data(tmp_path)
        type(early)(early.params)
        try:
            read = list(early)
        except SourceError:
            return
        assert not read, "it read its data before it was iterated"

    def test_missing_data_is_a_source_error(self, tmp_path: Path) -> None:
        source = self.make_source(tmp_path)
        self.remove_data(tmp_path)
        with pytest.raises(SourceError, match=r"\S"):
            list(source)

    def test_it_yields_items_and_failures(self, tmp_path: Path) -> None:
        entries = list(self.make_source(tmp_path))
        assert {type(entry) for entry in entries} <= {Item, Failure}
        assert sum(isinstance(entry, Item) for entry in entries) >= 3, "write data of three or more items"
        assert {entry.stage for entry in entries if isinstance(entry, Failure)} <= {"read"}

    def test_it_yields_the_same_again(self, tmp_path: Path) -> None:
        source = self.make_source(tmp_path)
        first = _list_contents(list(source))
        assert _list_contents(list(source)) == first, "the same source, iterated a second time"
        assert _list_contents(list(type(source)(source.params))) == first, "another source with the same parameters"

    def test_keys_are_unique_strings(self, tmp_path: Path) -> None:
        keys = [entry.key for entry in self.make_source(tmp_path)]
        assert all(isinstance(key, str) and key for key in keys)
        assert len(set(keys)) == len(keys), "two items with one key overwrite each other"

    def test_metadata_is_json(self, tmp_path: Path) -> None:
        for entry in self.make_source(tmp_path):
            if isinstance(entry, Item):
                assert isinstance(orjson.loads(orjson.dumps(entry.metadata)), dict), f"{entry.key}"

    def test_count_is_a_number_or_none(self, tmp_path: Path) -> None:
        count = self.make_source(tmp_path).count()
        assert count is None or (isinstance(count, int) and count >= 0)


def _make_source(source_class: type[Source], params: Any) -> None:
    source_class(params)


def _list_contents(entries: Sequence[Item | Failure]) -> list[tuple[str, ...]]:
    """What should be equal in the next run; a failure's time is not."""
    return [
        (entry.key, entry.uri, repr(entry.content), repr(entry.metadata), str(entry.version))
        if isinstance(entry, Item)
        else (entry.key, entry.uri, entry.stage, entry.message, str(entry.hides_items))
        for entry in entries
    ]
