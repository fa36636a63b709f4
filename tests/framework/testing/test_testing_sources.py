"""The contract of sources: what is right passes it, and each of its tests fails on something that is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from contract_helpers import fails, pairs, promises_of
from vicinal import Failure, Item, LocalPath, Params, Source
from vicinal.errors import SourceError
from vicinal.testing import SourceContract

pytestmark = pytest.mark.usefixtures("light_onnxruntime")


class Lines(Source):
    """Yields the lines of a file; an empty one is a failure."""

    class Params(Params):
        path: LocalPath
        """The file."""

    def __iter__(self):
        try:
            lines = self.params.path.read_text().splitlines()
        except OSError as error:
            raise SourceError(f"{self.params.path} cannot be read: {error}") from error
        for number, line in enumerate(lines):
            yield self.entry(str(number), line)

    def entry(self, key, line):
        return Item(key, line, metadata={"words": line.split()}) if line else Failure(key, "read", "empty line")


class TestLines(SourceContract):
    source_class = Lines

    def make_source(self, tmp_path):
        path = tmp_path / "lines.txt"
        path.write_text("one apple\ntwo pears\n\nthree cherries\n")
        return self.source_class(self.source_class.Params(path=path))


class ParamsThatChange(Lines):
    class Params(Lines.Params, frozen=False):
        pass


class ParamsThatTakeAll(Lines):
    class Params(Lines.Params, extra="ignore"):
        pass


class ParamsWithoutWords(Lines):
    class Params(Lines.Params):
        depth: int = 1


class Heavy(Lines):
    def __init__(self, params=None):
        import onnxruntime  # noqa: F401 - an empty module that the test lays down

        super().__init__(params)


class ReadsEarly(Lines):
    def __init__(self, params=None):
        super().__init__(params)
        self.early = list(super().__iter__()) if params.path.exists() else None

    def __iter__(self):
        return super().__iter__() if self.early is None else iter(self.early)


class RefusesEarly(Lines):
    def __init__(self, params=None):
        super().__init__(params)
        if not params.path.exists():
            raise SourceError("no such file")


class ForeignError(Lines):
    def __iter__(self):
        if not self.params.path.exists():
            raise FileNotFoundError(self.params.path)
        yield from super().__iter__()


class NothingThere(Lines):
    def __iter__(self):
        if self.params.path.exists():
            yield from super().__iter__()


class BareTexts(Lines):
    def entry(self, key, line):
        class Text(Item):
            pass

        return Text(key, line)


class OtherStage(Lines):
    def entry(self, key, line):
        entry = super().entry(key, line)
        return replace(entry, stage="decode") if isinstance(entry, Failure) else entry


class TooFew(Lines):
    def __iter__(self):
        return iter(list(super().__iter__())[:2])


class Once(Lines):
    spent = False

    def __iter__(self):
        if not self.spent:
            yield from super().__iter__()
        self.spent = True


class Counting(Lines):
    made = 0

    def __init__(self, params=None):
        super().__init__(params)
        type(self).made += 1
        self.number = self.made

    def entry(self, key, line):
        return super().entry(f"{self.number}-{key}", line)


class OneKey(Lines):
    def entry(self, key, line):
        return super().entry("line", line)


class NumbersAsKeys(Lines):
    def entry(self, key, line):
        return super().entry(int(key), line)


class PathsAsMetadata(Lines):
    def entry(self, key, line):
        return Item(key, line, metadata={"path": self.params.path})


class CountsDown(Lines):
    def count(self):
        return -1


WRONG_SOURCES = {
    "test_params_are_frozen_strict_and_described": [ParamsThatChange, ParamsThatTakeAll, ParamsWithoutWords],
    "test_making_one_imports_nothing_heavy": [Heavy],
    "test_making_one_reads_nothing": [RefusesEarly],
    "test_missing_data_is_a_source_error": [NothingThere],
    "test_it_yields_items_and_failures": [BareTexts, OtherStage, TooFew],
    "test_it_yields_the_same_again": [Once, Counting],
    "test_keys_are_unique_strings": [OneKey, NumbersAsKeys],
    "test_metadata_is_json": [PathsAsMetadata],
    "test_count_is_a_number_or_none": [CountsDown],
}


def failing_sources(wrong: type, tmp_path: Path) -> set[str]:
    contract = type("Contract", (TestLines,), {"source_class": wrong})
    failed = set()
    for name in promises_of(contract):
        (tmp_path / name).mkdir()
        if fails(getattr(contract(), name), tmp_path / name):
            failed.add(name)
    return failed


def test_every_test_of_the_source_contract_can_fail():
    assert set(WRONG_SOURCES) == promises_of(SourceContract)


@pytest.mark.parametrize(("test", "wrong"), pairs(WRONG_SOURCES))
def test_a_wrong_source_fails_exactly_its_test(tmp_path, test, wrong):
    assert failing_sources(wrong, tmp_path) == {test}


@pytest.mark.parametrize("wrong", [ReadsEarly, ForeignError])
def test_a_source_that_is_wrong_about_missing_data_fails(tmp_path, wrong):
    about_data = {"test_making_one_reads_nothing", "test_missing_data_is_a_source_error"}
    assert failing_sources(wrong, tmp_path) == about_data


def test_data_elsewhere_must_be_removed_by_the_subclass(tmp_path):
    with pytest.raises(AssertionError, match="override `remove_data`"):
        TestLines().remove_data(tmp_path)
