"""The contracts of sources and rerankers, and what the suites are made of: each check fails on something wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vicinal import Failure, Item, LocalPath, Params, Reranker, Source, Space
from vicinal.errors import SourceError
from vicinal.testing import RerankerContract, SourceContract
from vicinal.testing.checks import assert_same
from vicinal.testing.process import ask


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


@pytest.fixture(autouse=True)
def light_onnxruntime(tmp_path_factory, monkeypatch):
    """An empty module in place of a heavy one, so that importing it is quick."""
    folder = tmp_path_factory.mktemp("heavy")
    (folder / "onnxruntime.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("onnxruntime", None)


def promises_of(contract: type) -> set[str]:
    return {name for name in dir(contract) if name.startswith("test_")}


def fails(test, *arguments) -> bool:
    try:
        test(*arguments)
    except (Exception, pytest.fail.Exception):
        return True
    return False


def failing_sources(wrong: type, tmp_path: Path) -> set[str]:
    contract = type("Contract", (TestLines,), {"source_class": wrong})
    failed = set()
    for name in promises_of(contract):
        (tmp_path / name).mkdir()
        if fails(getattr(contract(), name), tmp_path / name):
            failed.add(name)
    return failed


def pairs(wrong: dict) -> list[tuple[str, type]]:
    return [(test, found) for test, all_found in wrong.items() for found in all_found]


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


class ByWords(Reranker):
    """Puts the hits first that have more of the query's words."""

    class Params(Params):
        text: str = "text"
        """The metadata with the hit's text."""

    def rerank(self, query, hits):
        words = set(query.split())
        return sorted(hits, key=lambda hit: -len(words & set(hit.metadata[self.params.text].split())))


class TestByWords(RerankerContract):
    reranker_class = ByWords


class LooseParams(ByWords):
    class Params(ByWords.Params, extra="ignore"):
        pass


class HeavyReranker(ByWords):
    def __init__(self, params=None):
        import onnxruntime  # noqa: F401 - an empty module that the test lays down

        super().__init__(params)


class NoCandidates(ByWords):
    candidates = 0


class Repeats(ByWords):
    def rerank(self, query, hits):
        return [*super().rerank(query, hits), *hits]


class Invents(ByWords):
    def rerank(self, query, hits):
        return [replace(hit, key=f"{hit.key}!") for hit in super().rerank(query, hits)]


class Rescores(ByWords):
    def rerank(self, query, hits):
        return [replace(hit, similarity=1.0) for hit in super().rerank(query, hits)]


class SortsInPlace(ByWords):
    def rerank(self, query, hits):
        hits.reverse()
        return hits


class Alternates(ByWords):
    turn = 1

    def rerank(self, query, hits):
        self.turn = -self.turn
        return list(hits)[:: self.turn]


class NeedsHits(ByWords):
    def rerank(self, query, hits):
        return [hits[0], *hits[1:]]


WRONG_RERANKERS = {
    "test_params_are_frozen_strict_and_described": [LooseParams],
    "test_making_one_imports_nothing_heavy": [HeavyReranker],
    "test_it_asks_for_candidates": [NoCandidates],
    "test_it_adds_no_hit": [Repeats, Invents],
    "test_it_changes_no_hit": [Rescores],
    "test_it_leaves_the_given_list_as_it_is": [SortsInPlace],
    "test_the_order_is_deterministic": [Alternates],
    "test_no_hits_stay_no_hits": [NeedsHits],
}


def test_every_test_of_the_reranker_contract_can_fail():
    assert set(WRONG_RERANKERS) == promises_of(RerankerContract)


@pytest.mark.parametrize(("test", "wrong"), pairs(WRONG_RERANKERS))
def test_a_wrong_reranker_fails_exactly_its_test(test, wrong):
    contract = type("Contract", (TestByWords,), {"reranker_class": wrong})
    assert {name for name in promises_of(contract) if fails(getattr(contract(), name))} == {test}


@pytest.mark.parametrize(("metric", "same"), [("COSINE", True), ("L2", False), ("IP", False)])
def test_length_counts_where_the_metric_sees_it(metric, same):
    vectors = np.array([[3.0, 4.0]], np.float32)
    try:
        assert_same(Space(2, metric=metric), vectors, 2 * vectors, 1e-4, "twice as long")
    except AssertionError as error:
        assert not same
        assert "twice as long: row 0 is 0.25 away" in str(error)
    else:
        assert same


def test_one_bit_counts():
    bits = np.array([[1, 2]], np.uint8)
    assert_same(Space(16, "binary", "JACCARD"), bits, bits.copy(), 0.0, "the same bits")
    with pytest.raises(AssertionError, match="row 0 is inf away"):
        assert_same(Space(16, "binary", "JACCARD"), bits, bits ^ 1, 0.5, "other bits")


def test_without_pytest_it_says_what_to_install():
    code = "import sys; sys.modules['pytest'] = None; import vicinal.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'ImportError: vicinal.testing needs pytest: pip install "pytest>=8.4"' in done.stderr


def test_nothing_else_of_the_framework_imports_pytest():
    code = "import sys, vicinal, vicinal.plugins; vicinal.plugins.create_manager(); print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_class_whose_module_cannot_be_imported_by_name_is_imported_from_its_file(tmp_path, monkeypatch):
    folder = tmp_path / "not on the path"
    folder.mkdir()
    (folder / "hidden.py").write_text("class Hidden: pass\ndef call(): return __name__\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(folder)
        import hidden  # type: ignore[import-not-found]

    try:
        answer = ask(hidden.call, hidden.Hidden)
    finally:
        del sys.modules["hidden"]
    assert (answer.value, answer.heavy) == ("hidden", ())
