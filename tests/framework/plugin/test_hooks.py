"""Hooks beside those that register names: observers, settings of a solution, and suggestions for `vicinal init`."""

import re
from pathlib import Path

import pytest

from vicinal import Params, Suggestion, hookimpl
from vicinal.errors import PluginError
from vicinal.plugin.manager import Manager, create_manager
from vicinal.types import Failure


@pytest.fixture
def manager() -> Manager:
    return create_manager(entry_points=False)


# Observers


def test_observers_hear_and_can_be_taken_out_without_a_trace(manager):
    class Observer:
        heard: list[str] = []  # noqa: RUF012

        @hookimpl
        def item_failed(self, solution, failures):
            self.heard += [f"{solution}: {failure.key}" for failure in failures]

    observer = Observer()
    manager.register(observer, "observer")
    manager.observers.item_failed(solution="books", failures=[Failure("a", "read", "gone")])
    manager.unregister(observer)
    manager.observers.item_failed(solution="books", failures=[Failure("b", "read", "gone")])
    assert observer.heard == ["books: a"]
    assert manager.rows == []
    assert manager.register(observer, "observer").status == "ok"


class Raising:
    """Observes, and fails each time."""

    def __init__(self):
        self.calls = 0

    @hookimpl
    def batch_written(self, solution, new):
        self.calls += 1
        raise ValueError("the observer's own defect")


def test_an_observer_that_raises_is_logged_and_not_called_again_in_that_run(manager, caplog):
    raising, heard = Raising(), []

    class Observer:
        @hookimpl
        def batch_written(self, solution, new):
            heard.append(new)

    manager.register(raising, "raising")
    manager.register(Observer(), "observer")
    for new in (1, 2):
        manager.observers.batch_written(solution="books", new=new, updated=0, unchanged=0)
    assert (raising.calls, heard) == (1, [1, 2])
    assert [record.message for record in caplog.records] == [
        "plugin 'raising' failed in hook batch_written: ValueError: the observer's own defect;"
        " it is not called again in this run"
    ]
    manager.observers.ingest_started(solution="books", total=None)
    manager.observers.batch_written(solution="books", new=3, updated=0, unchanged=0)
    assert (raising.calls, heard) == (2, [1, 2, 3])


def test_only_hooks_that_observe_are_called_through_the_observers(manager):
    with pytest.raises(AttributeError, match="'register_encoders' is not a hook that observes"):
        manager.observers.register_encoders(encoders=None)


# Settings


class Settings(Params):
    """What a YAML may say for the plugin below."""

    greeting: str = "hello"
    """What it says."""


class Configured:
    def __init__(self, settings=Settings):
        self.settings = settings
        self.given = {}

    @hookimpl
    def register_settings(self, settings):
        settings.set(self.settings)

    @hookimpl
    def configure(self, solution, settings):
        if getattr(settings, "greeting", "") == "refused":
            raise ValueError("I do not say that")
        self.given[solution] = settings


def test_a_plugin_gets_the_settings_of_each_solution_or_the_defaults(manager):
    plugin = Configured()
    manager.register(plugin, "polite")
    assert manager.settings == {"polite": Settings}
    manager.configure("books", {"polite": Settings(greeting="good day")})
    manager.configure("films", {})
    assert plugin.given == {"books": Settings(greeting="good day"), "films": Settings()}
    with pytest.raises(PluginError, match="plugin 'polite' refuses its settings: ValueError: I do not say that"):
        manager.configure("books", {"polite": Settings(greeting="refused")})
    manager.unregister(plugin)
    assert manager.settings == {}


def test_the_class_of_settings_may_be_named_and_is_imported_once_it_is_needed(manager):
    manager.register(Configured("test_hooks:Settings"), "polite")
    assert manager.settings == {"polite": Settings}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere:Settings", "settings of plugin 'wrong' cannot be loaded from nowhere:Settings: ModuleNotFoundError"),
        ("test_hooks:Configured", "plugin 'wrong' has settings <class 'test_hooks.Configured'>"),
    ],
)
def test_a_named_class_of_settings_that_cannot_be_used_is_an_error_of_the_first_look(manager, target, reason):
    manager.register(Configured(target), "wrong")
    with pytest.raises(PluginError, match=re.escape(reason)):
        manager.settings["wrong"]


class Needy(Params):
    """A setting without a default would make every YAML wrong that does not name the plugin."""

    greeting: str
    """What it says."""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Needy, "plugin 'wrong': setting 'greeting' needs a default"),
        (dict, "plugin 'wrong' has settings <class 'dict'>; derive a class from vicinal.Params"),
    ],
)
def test_settings_that_cannot_be_used_make_a_plugin_broken(manager, settings, reason):
    row = manager.register(Configured(settings), "wrong")
    assert (row.status, row.reason) == ("broken", reason)
    assert manager.settings == {}


# Suggestions


class Suggesting:
    def __init__(self, suffix, encoder):
        self.suffix, self.encoder = suffix, encoder

    @hookimpl
    def suggest_solution(self, path):
        if path.suffix == self.suffix:
            return Suggestion({"type": "lines", "path": str(path)}, {"type": self.encoder})
        return None


def test_the_last_plugin_that_knows_such_data_is_asked_first(manager):
    """vicinal's own are registered first, so a plugin of others is asked before them."""
    manager.register(Suggesting(".txt", "sentence"), "own")
    manager.register(Suggesting(".txt", "better"), "other")
    manager.register(Suggesting(".fasta", "kmers"), "third")
    assert manager.suggest_solution(Path("a.txt")).encoder == {"type": "better"}
    assert manager.suggest_solution(Path("a.fasta")).encoder == {"type": "kmers"}
    assert manager.suggest_solution(Path("a.xyz")) is None
