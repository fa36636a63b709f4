"""What a plugin can count on, and what the framework can count on whatever a plugin does."""

from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest

from vicinal import TEXT, Encoder, Item, Segment, Space, hookimpl
from vicinal.errors import DependencyError, ExitCode, PluginError
from vicinal.plugin.encoder_calls import require_modalities
from vicinal.plugin.manager import Manager, create_manager

HERE = f"{__name__}:Length"


class Length(Encoder):
    """The length of a text, and nothing else."""

    space = Space(1, metric="L2")
    signature = "length"

    def decode(self, item: Item):
        return [Segment(str(item.content))]

    def encode(self, samples):
        raise NotImplementedError


def encoder_plugin(*names, target=HERE, **options):
    """A plugin that registers encoders under these names."""

    class Plugin:
        @hookimpl
        def register_encoders(self, encoders):
            for name in names:
                encoders.add(name, target, **options)

    return Plugin()


@pytest.fixture
def manager() -> Manager:
    return create_manager(entry_points=False)


def names(registry) -> list[str]:
    return [entry.name for entry in registry]


# What a plugin registers


def test_a_manager_without_entry_points_is_empty(manager):
    assert manager.rows == []
    assert [*manager.sources, *manager.encoders, *manager.rerankers] == []


def test_two_managers_share_nothing(manager):
    manager.register(encoder_plugin("length"), "mine")
    assert names(create_manager(entry_points=False).encoders) == []


def test_a_plugin_is_a_row_with_what_it_registers(manager):
    class Everything:
        @hookimpl
        def register_sources(self, sources):
            sources.add("s", "nowhere:S")

        @hookimpl
        def register_encoders(self, encoders):
            encoders.add("e2", "nowhere:E")
            encoders.add("e1", "nowhere:E")

        @hookimpl
        def register_rerankers(self, rerankers):
            rerankers.add("r", "nowhere:R")

    row = manager.register(Everything(), "all", "vicinal-all", "1.2")
    assert manager.rows == [row]
    assert row.to_dict() == {
        "name": "all",
        "distribution": "vicinal-all",
        "version": "1.2",
        "sources": ["s"],
        "encoders": ["e1", "e2"],
        "rerankers": ["r"],
        "item_filters": [],
        "commands": [],
        "hooks": ["register_encoders", "register_rerankers", "register_sources"],
        "status": "ok",
        "reason": "",
        "hint": "",
    }


def test_registering_imports_nothing_and_building_makes_the_encoder(manager):
    manager.register(encoder_plugin("later", target="no_such_module:Thing"), "lazy")
    manager.register(encoder_plugin("length", summary="how long a text is"), "mine")
    assert "length" in manager.encoders
    assert manager.encoders.get("length").summary == "how long a text is"
    assert manager.encoders.load("length") is Length
    params = Length.Params()
    assert manager.encoders.build("length", params).params is params


@pytest.mark.parametrize(("name", "target"), [("", HERE), ("length", "no_colon")])
def test_a_registration_must_have_a_name_and_a_target(manager, name, target):
    row = manager.register(encoder_plugin(name, target=target), "careless")
    assert (row.status, row.reason) == (
        "broken",
        f"plugin 'careless' registers {name!r} as {target!r}; write 'module:Class'",
    )


def test_requires_is_a_list(manager):
    row = manager.register(encoder_plugin("length", requires="rdkit"), "careless")
    assert (row.status, row.reason) == (
        "broken",
        "plugin 'careless' registers 'length' with requires='rdkit'; write a list",
    )


# Names that are claimed twice


def test_a_name_claimed_twice_names_both_plugins_and_the_first_keeps_it(manager):
    manager.register(encoder_plugin("length", "width"), "first")
    row = manager.register(encoder_plugin("depth", "length"), "second")
    assert row.status == "broken"
    assert row.reason == "encoder 'length' is registered by both 'first' and 'second'"
    assert row.hint == "uninstall one of the two plugins"
    assert row.encoders == []
    assert {entry.name: entry.plugin for entry in manager.encoders} == {"length": "first", "width": "first"}


def test_a_source_and_an_encoder_may_have_one_name(manager):
    class Both:
        @hookimpl
        def register_sources(self, sources):
            sources.add("same", "nowhere:S")

        @hookimpl
        def register_encoders(self, encoders):
            encoders.add("same", "nowhere:E")

    assert manager.register(Both(), "both").status == "ok"


def test_a_second_plugin_of_the_same_name_leaves_the_first_as_it_is(manager):
    first = manager.register(encoder_plugin("length"), "text", "vicinal")
    second = manager.register(encoder_plugin("width"), "text", "vicinal-text")
    assert (first.status, first.encoders) == ("ok", ["length"])
    assert second.status == "broken"
    assert second.reason == "two plugins are named 'text', of vicinal and of vicinal-text"
    assert names(manager.encoders) == ["length"]


def test_a_program_may_register_a_plugin_that_is_installed(manager):
    """A test that registers its module passes before and after ``pip install``."""
    plugin = encoder_plugin("length")
    installed = manager.register(plugin, "mine", "vicinal-mine", "1.0")
    assert manager.register(plugin, "mine") is installed
    assert (installed.status, manager.rows) == ("ok", [installed])


def test_a_plugin_that_cannot_be_imported_leaves_its_namesake_as_it_is(manager):
    manager.register(encoder_plugin("length"), "text", "vicinal")
    manager.load_entry_point(EntryPoint("text", "no_such_module", "vicinal"), "vicinal-text", "1.0")
    assert [row.status for row in manager.rows] == ["ok", "broken"]
    assert names(manager.encoders) == ["length"]


# What is not installed


def test_a_missing_package_makes_its_plugin_incomplete_with_a_hint(manager):
    row = manager.register(encoder_plugin("length", requires=["json", "no_such_package.part"]), "mine")
    assert (row.status, row.reason) == ("incomplete", "length needs no_such_package.part")
    assert row.hint == "pip install no_such_package.part"
    assert row.encoders == ["length"]


def test_a_hint_prefers_what_the_plugin_says_to_install(manager):
    row = manager.register(encoder_plugin("a", "b", requires=["no_such"], install="vicinal[text]"), "mine")
    assert row.reason == "a needs no_such; b needs no_such"
    assert row.hint == 'pip install "vicinal[text]"'


def test_building_what_misses_a_package_says_how_to_get_it(manager):
    manager.register(encoder_plugin("length", requires=["no_such"], install="vicinal[text]"), "mine")
    with pytest.raises(DependencyError, match="encoder 'length' needs no_such, which is not installed") as caught:
        manager.encoders.build("length", None)
    assert caught.value.hint == 'pip install "vicinal[text]"'
    assert caught.value.exit_code == ExitCode.PLUGIN_MISSING == 4


# Names that are unknown, targets that are wrong


def test_an_unknown_name_suggests_a_near_one(manager):
    manager.register(encoder_plugin("length", "width"), "mine")
    with pytest.raises(PluginError) as caught:
        manager.encoders.build("lenght", None)
    assert str(caught.value) == "unknown encoder 'lenght' (did you mean 'length'?)"
    assert caught.value.hint == "known: length, width; `vicinal plugins` lists what is installed"
    assert caught.value.exit_code == 4


def test_an_unknown_name_with_nothing_near_lists_what_is_known(manager):
    with pytest.raises(PluginError) as caught:
        manager.sources.get("folder")
    assert str(caught.value) == "unknown source 'folder'"
    assert caught.value.hint.startswith("known: none;")


@pytest.mark.parametrize("attribute", ["not_a_class", "Manager"])
def test_a_target_must_be_an_encoder(manager, attribute):
    manager.register(encoder_plugin("wrong", target=f"{__name__}:{attribute}"), "mine")
    with pytest.raises(PluginError, match=rf"{attribute} is not a subclass of vicinal\.Encoder") as caught:
        manager.encoders.load("wrong")
    assert "encoder 'wrong' of plugin 'mine'" in str(caught.value)


class Unfinished(Encoder):
    space = Space(8)

    def decode(self, item):
        raise NotImplementedError


class PlainParams(Length):
    class Params:  # it should be derived from Encoder.Params
        size: int = 1


@pytest.mark.parametrize(
    ("attribute", "reason"),
    [
        ("Unfinished", "Unfinished has no encode, no signature"),
        ("PlainParams", "PlainParams.Params is not derived from vicinal.Params"),
    ],
)
def test_a_class_of_which_no_encoder_can_be_made_is_named(manager, attribute, reason):
    manager.register(encoder_plugin("wrong", target=f"{__name__}:{attribute}"), "mine")
    with pytest.raises(PluginError) as caught:
        manager.encoders.load("wrong")
    assert str(caught.value) == f"encoder 'wrong' of plugin 'mine': {reason}"


not_a_class = SimpleNamespace()


@pytest.mark.parametrize("modalities", [TEXT, [TEXT], ("text",), None])
def test_modalities_that_are_no_tuple_name_the_encoder(modalities):
    with pytest.raises(PluginError, match=r"encoder Odd: query_modalities is .*, not a tuple of Modality") as caught:
        require_modalities(type("Odd", (Length,), {"query_modalities": modalities})())
    assert caught.value.hint == "write (TEXT,)"


@pytest.mark.parametrize("target", ["no_such_module:Thing", f"{__name__}:no_such_name", "broken_at_import:Thing"])
def test_a_target_that_cannot_be_imported_names_its_plugin(manager, tmp_path, monkeypatch, target):
    (tmp_path / "broken_at_import.py").write_text("raise RuntimeError('no GPU')")
    monkeypatch.syspath_prepend(tmp_path)
    manager.register(encoder_plugin("gone", target=target), "mine")
    with pytest.raises(PluginError, match="encoder 'gone' of plugin 'mine' cannot be loaded from") as caught:
        manager.encoders.load("gone")
    assert caught.value.__cause__ is not None


# Taking a plugin out


def test_taking_a_plugin_out_takes_its_names_out(manager):
    plugin = encoder_plugin("length")
    manager.register(plugin, "mine")
    manager.unregister(plugin)
    assert names(manager.encoders) == []
