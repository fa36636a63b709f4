"""What goes wrong within a plugin names its class, and does not end the process."""

from __future__ import annotations

import sys

import pytest

from encoders import Hashed
from ingest_helpers import ListSource, make_items
from vicinal import Item, Rendering, Reranker, VicinalError, hookimpl
from vicinal.errors import PluginError
from vicinal.plugin.foreign_calls import PluginExitError, attribute_errors, count_items


def leave(*_):
    sys.exit("no licence")


def test_sys_exit_is_an_error_of_the_plugin():
    with pytest.raises(PluginExitError) as error, attribute_errors("encoder Odd", "fit"):
        leave()
    assert str(error.value) == "encoder Odd called sys.exit('no licence') in fit"


def test_another_exception_stays_as_it_is_with_a_note():
    with pytest.raises(ZeroDivisionError) as error, attribute_errors("encoder Odd", "fit"):
        1 / 0  # noqa: B018
    assert error.value.__notes__ == ["raised by encoder Odd in fit"]


def test_an_error_of_vicinal_needs_no_note():
    with pytest.raises(VicinalError) as error, attribute_errors("encoder Odd", "fit"):
        raise VicinalError("it cannot be")
    assert not hasattr(error.value, "__notes__")


def test_an_encoder_that_cannot_be_made_is_named(manager):
    class Plugin:
        @hookimpl
        def register_encoders(self, encoders):
            encoders.add("leaving", "test_foreign_calls:Leaving")

    manager.register(Plugin(), "mine")
    with pytest.raises(PluginError, match=r"encoder 'leaving' of plugin 'mine' called sys\.exit\('no licence'\)"):
        manager.encoders.build("leaving", None)


class Leaving(Hashed):
    def __init__(self, params):
        leave()


def test_an_encoder_that_exits_while_it_learns_ends_the_run(lite):
    solution = lite.solution()
    solution.encoder = type("Learning", (Hashed,), {"fit": leave})()
    solution.source = ListSource(make_items(3))
    with pytest.raises(PluginError, match=r"encoder Learning called sys\.exit\('no licence'\) in fit"):
        solution.ingest()


def test_a_source_that_exits_ends_the_run_and_what_it_yielded_is_kept(lite):
    def leaving():
        yield from make_items(100)
        leave()

    solution = lite.solution()
    solution.source = ListSource(leaving)
    with pytest.raises(PluginError, match=r"source ListSource called sys\.exit\('no licence'\) in __iter__"):
        solution.ingest()
    solution.source = ListSource(make_items(100))
    assert solution.ingest().rows == 100


@pytest.mark.parametrize("count", [leave, lambda self: 1 / 0, lambda self: "many"])
def test_a_source_that_cannot_count_costs_no_more_than_the_progress_bar(lite, count):
    source = type("Uncounted", (ListSource,), {"count": count})(make_items(3))
    assert count_items(source) is None
    solution = lite.solution()
    solution.source = source
    assert solution.ingest(limit=2).new == 2


def test_what_exits_while_it_renders_is_shown_as_text(lite):
    solution = lite.solution()
    solution.encoder = type("Drawing", (Hashed,), {"render": leave})()
    assert solution.render(Item("a", "some text")) == Rendering("text", "some text")


class Odd(Reranker):
    def rerank(self, query, hits):
        leave()


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (5, "reranker Odd called sys.exit('no licence') in rerank"),
        ("5", "reranker Odd: candidates is '5', not a number of 1 or more"),
        (0, "reranker Odd: candidates is 0, not a number of 1 or more"),
    ],
)
def test_a_reranker_that_cannot_be_used_is_named(lite, monkeypatch, candidates, message):
    class Plugin:
        @hookimpl
        def register_rerankers(self, rerankers):
            rerankers.add("odd", "test_foreign_calls:Odd")

    lite.manager.register(Plugin(), "mine")
    monkeypatch.setattr(Odd, "candidates", candidates)
    lite.write([("a", "some text", 1)])
    solution = lite.solution(extra="rerank: {type: odd}")
    solution.ingest()
    with pytest.raises(PluginError) as error:
        solution.search("text")
    assert str(error.value) == message


def test_a_plugin_that_fails_to_suggest_leaves_it_to_the_next(manager, tmp_path, caplog):
    class Failing:
        @hookimpl
        def suggest_solution(self, path):
            raise ValueError("the moon is full")

    manager.register(Failing(), "failing")
    suggestion = manager.suggest_solution(tmp_path)
    assert suggestion is not None
    assert suggestion.source["type"] == "folder"
    assert "plugin 'failing' failed in hook suggest_solution: ValueError: the moon is full" in caplog.text
