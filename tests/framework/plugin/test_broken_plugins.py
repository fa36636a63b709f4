"""A broken plugin is a row with its reason; nothing of it stays registered, and the rest works."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import click
import pytest

from vicinal import create_manager, hookimpl
from vicinal.plugin.manager import Manager
from vicinal.testing.process import HEAVY


class Working:
    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("working", "nowhere:Working")


@pytest.fixture
def manager() -> Manager:
    return create_manager(entry_points=False)


def names(registry) -> list[str]:
    return [entry.name for entry in registry]


class Raising:
    @hookimpl
    def register_sources(self, sources):
        sources.add("half", "nowhere:Half")

    @hookimpl
    def register_encoders(self, encoders):
        raise ValueError("the moon is full")


class Silent:
    def register_encoders(self, encoders):
        raise AssertionError("it is not marked, so it is never called")


class Misspelt:
    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("misspelt", "nowhere:Half")

    @hookimpl
    def register_encoder(self, encoders):
        raise AssertionError


class WrongArgument:
    @hookimpl
    def register_encoders(self, registry):
        raise AssertionError


class Leaving:
    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("leaving", "nowhere:Half")
        sys.exit("no licence")


BROKEN = {
    "a hook that raises": (Raising(), "ValueError: the moon is full"),
    "a hook that ends the program": (Leaving(), "SystemExit: no licence"),
    "a class": (Raising, "Raising is a class; a plugin is a module or an instance"),
    "nothing": (None, "it is None; a plugin is a module or an instance"),
    "no hook": (Silent(), "it implements no hook; mark its functions with @vicinal.hookimpl"),
    "an empty module": (ModuleType("empty"), "it implements no hook; mark its functions with @vicinal.hookimpl"),
    "a misspelt hook": (Misspelt(), "unknown hook 'register_encoder' (did you mean 'register_encoders'?)"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_plugin_is_a_row_and_nothing_of_it_stays(manager, what):
    plugin, reason = BROKEN[what]
    row = manager.register(plugin, "broken", "vicinal-broken", "0.1")
    assert (row.name, row.distribution, row.version) == ("broken", "vicinal-broken", "0.1")
    assert (row.status, row.reason) == ("broken", reason)
    assert row.sources == row.encoders == row.rerankers == row.commands == row.hooks == []
    assert names(manager.sources) == names(manager.encoders) == []
    assert manager._pluggy.hook.register_encoders.get_hookimpls() == []
    assert manager.register(Working(), "working").status == "ok"
    assert names(manager.encoders) == ["working"]


def test_an_argument_that_the_hook_does_not_have_is_broken(manager):
    row = manager.register(WrongArgument(), "broken")
    assert row.status == "broken"
    assert "registry" in row.reason
    assert manager._pluggy.hook.register_encoders.get_hookimpls() == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise RuntimeError('no GPU')", "RuntimeError: no GPU"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("plugin = ", "SyntaxError: invalid syntax"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_a_row(manager, tmp_path, monkeypatch, code, reason):
    (tmp_path / "vicinal_bad.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    manager.load_entry_point(EntryPoint("bad", "vicinal_bad", "vicinal"), "vicinal-bad", "2.0")
    (row,) = manager.rows
    assert (row.name, row.distribution, row.version, row.status) == ("bad", "vicinal-bad", "2.0", "broken")
    assert row.reason.startswith(reason)


def test_an_interrupt_is_not_a_broken_plugin(manager):
    class Interrupted:
        @hookimpl
        def register_encoders(self, encoders):
            encoders.add("half", "nowhere:Half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.register(Interrupted(), "interrupted")
    assert names(manager.encoders) == []


def test_commands_that_cannot_be_added_mark_their_plugin_and_the_others_are_added(manager):
    class Commands:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def register_commands(self, group):
            if self.name == "bad":
                raise ValueError("no command")
            group.add_command(click.Command(self.name))

    for name in ("good", "bad", "fine"):
        manager.register(Commands(name), name)
    group = click.Group()
    manager.register_commands(group)
    assert sorted(group.commands) == ["fine", "good"]
    assert {row.name: (row.status, row.reason) for row in manager.rows} == {
        "good": ("ok", ""),
        "bad": ("broken", "ValueError: no command"),
        "fine": ("ok", ""),
    }


@pytest.mark.parametrize(("name", "taken"), [("ingest", "vicinal's own"), ("good", "another plugin's")])
def test_a_command_whose_name_exists_is_not_added_and_its_plugin_is_broken(manager, name, taken):
    class Commands:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def register_commands(self, group):
            group.add_command(click.Command(self.name, help=f"of {self.name}"))

    manager.register(Commands("good"), "first")
    row = manager.register(Commands(name), "second")
    group = click.Group()
    manager._pluggy.hook.register_commands.get_hookimpls().reverse()
    manager.register_commands(group, reserved=("ingest", "search"))
    broken = row if name == "ingest" else next(found for found in manager.rows if found.status == "broken")
    assert (broken.status, broken.reason) == ("broken", f"command {name!r} exists already"), taken
    assert sorted(group.commands) == ["good"]


# Installed plugins, in a process of their own

LIST = """
import json, sys
from vicinal.plugin.manager import create_manager
manager = create_manager()
print(json.dumps({"rows": [row.to_dict() for row in manager.rows], "modules": sorted(sys.modules)}))
"""


def listing(*path) -> dict:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def install(folder, name, code, entry_point=None):
    """Lay a distribution down as pip does: a module and its metadata."""
    module = f"vicinal_{name}"
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vicinal-{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vicinal]\n{name} = {entry_point or module}\n")


def test_the_built_in_plugins_are_listed_and_nothing_heavy_is_imported():
    listed = listing()
    rows = {row["name"]: row for row in listed["rows"]}
    assert {"files", "log", "molecule", "text"} <= set(rows)
    assert {row["distribution"] for row in rows.values()} == {"vicinal"}
    assert rows["molecule"]["encoders"] == ["fingerprint", "morgan"]
    assert HEAVY & set(listed["modules"]) == set()
    assert "fastapi" not in listed["modules"]


def test_strangers_plugins_are_listed_beside_the_built_in_ones(tmp_path):
    good = "from vicinal import hookimpl\n@hookimpl\ndef register_encoders(encoders): encoders.add('mine', 'a:B')\n"
    install(tmp_path, "good", good)
    install(tmp_path, "crashing", "raise RuntimeError('no GPU')")
    install(tmp_path, "absent", "", entry_point="no_such_module")
    install(tmp_path, "morgan", good.replace("mine", "morgan"))
    install(tmp_path, "attribute", "", entry_point="vicinal_attribute:plugin")
    rows = {row["name"]: row for row in listing(tmp_path)["rows"]}
    assert (rows["good"]["status"], rows["good"]["encoders"]) == ("ok", ["mine"])
    assert (rows["good"]["distribution"], rows["good"]["version"]) == ("vicinal-good", "1.0")
    assert rows["crashing"]["reason"] == "RuntimeError: no GPU"
    assert rows["absent"]["reason"] == "ModuleNotFoundError: No module named 'no_such_module'"
    assert rows["morgan"]["reason"] == "encoder 'morgan' is registered by both 'molecule' and 'morgan'"
    assert rows["attribute"]["reason"].startswith("AttributeError: ")
    assert rows["molecule"]["encoders"] == ["fingerprint", "morgan"]


@pytest.mark.all_encoders
def test_a_stranger_cannot_take_the_names_of_built_in_plugins(tmp_path):
    """Whatever comes first in the alphabet: vicinal's own plugins are registered first."""
    good = "from vicinal import hookimpl\n@hookimpl\ndef register_encoders(encoders): encoders.add('NAME', 'a:B')\n"
    install(tmp_path, "aardvark", good.replace("NAME", "sentence"))
    install(tmp_path, "impostor", good.replace("NAME", "mine"))
    info = tmp_path / "vicinal_impostor-1.0.dist-info" / "entry_points.txt"
    info.write_text("[vicinal]\ntext = vicinal_impostor\n")
    rows = {(row["name"], row["distribution"]): row for row in listing(tmp_path)["rows"]}
    assert (rows["text", "vicinal"]["status"], rows["text", "vicinal"]["encoders"]) == ("ok", ["sentence"])
    assert rows["aardvark", "vicinal-aardvark"]["reason"] == (
        "encoder 'sentence' is registered by both 'text' and 'aardvark'"
    )
    assert (
        rows["text", "vicinal-impostor"]["reason"] == "two plugins are named 'text', of vicinal and of vicinal-impostor"
    )


@pytest.mark.all_encoders
def test_a_plugin_that_is_switched_off_is_a_row_and_not_imported(tmp_path, monkeypatch):
    install(tmp_path, "crashing", "raise RuntimeError('no GPU')")
    monkeypatch.setenv("VICINAL_NO_PLUGINS", "crashing, molecule")
    rows = {row["name"]: row for row in listing(tmp_path)["rows"]}
    for name in ("crashing", "molecule"):
        assert (rows[name]["status"], rows[name]["encoders"]) == ("off", [])
        assert rows[name]["reason"] == "switched off by --no-plugin or VICINAL_NO_PLUGINS"
    assert rows["text"]["status"] == "ok"


def test_what_a_plugin_prints_while_it_is_loaded_is_not_on_stdout(tmp_path):
    printing = (
        "print('hello from an import')\nfrom vicinal import hookimpl\n@hookimpl\ndef register_encoders(encoders):\n"
        "    print('hello from a hook')\n    encoders.add('mine', 'a:B')\n"
    )
    install(tmp_path, "printing", printing)
    rows = {row["name"]: row for row in listing(tmp_path)["rows"]}  # which reads stdout as JSON
    assert rows["printing"]["encoders"] == ["mine"]


COMMANDS = """
import sys
import click
from vicinal import hookimpl

@hookimpl
def register_commands(group):
    print("hello from a hook")
    group.add_command(click.Command("NAME", help="Mine."))
"""


def list_with_cli(*path) -> dict:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [sys.executable, "-m", "vicinal", "plugins", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_the_command_line_lists_a_stranger_s_commands(tmp_path):
    install(tmp_path, "fine", COMMANDS.replace("NAME", "mine"))
    row = list_with_cli(tmp_path)["fine"]
    assert (row["status"], row["commands"], row["hooks"]) == ("ok", ["mine"], ["register_commands"])


@pytest.mark.parametrize("name", ["ingest", "peek"])  # vicinal's own, and that of a built-in plugin
def test_a_stranger_cannot_take_the_name_of_a_command(tmp_path, name):
    install(tmp_path, "aardvark", COMMANDS.replace("NAME", name))
    rows = list_with_cli(tmp_path)
    row = rows["aardvark"]
    assert (row["status"], row["reason"]) == ("broken", f"command {name!r} exists already")
    assert (row["hint"], row["commands"]) == ("give it another name", [])
    assert (rows["files"]["status"], rows["files"]["commands"]) == ("ok", ["peek"])
