"""Names and the classes behind them: what plugins add to, and what a YAML's ``type`` is looked up in."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from vicinal.errors import DependencyError, PluginError
from vicinal.plugin.foreign_calls import attribute_errors

if TYPE_CHECKING:  # pydantic is half of what the list of commands would take to import
    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.item_filter import ItemFilter
    from vicinal.plugin.params import Params
    from vicinal.plugin.reranker import Reranker
    from vicinal.plugin.source import Source

__all__ = ["Registrar", "Registration", "Registry", "SettingsRegistrar", "SettingsRegistry", "describe_error"]

Kind = TypeVar("Kind", bound="Source | Encoder | Reranker | ItemFilter")


@dataclass(frozen=True, slots=True)
class Registration(Generic[Kind]):
    """A name that a plugin registered: where its class is, and which modules that class will import when it works."""

    name: str
    target: str
    summary: str
    plugin: str
    requires: tuple[str, ...] = ()
    install: str = ""

    def missing(self) -> list[str]:
        """The required modules that are not installed; looks for them without importing them."""
        return [module for module in self.requires if find_spec(module.partition(".")[0]) is None]

    def install_command(self) -> str:
        """The pip command that installs what is missing."""
        return f'pip install "{self.install}"' if self.install else f"pip install {' '.join(self.missing())}"


class Registry(Generic[Kind]):
    """The sources, encoders, rerankers or item filters that are known by name."""

    def __init__(self, kind: str, base: str) -> None:
        """``base`` is the class that all of them are derived from, as ``"module:Class"``."""
        self.kind = kind
        self._base = base
        self._entries: dict[str, Registration[Kind]] = {}

    def __iter__(self) -> Iterator[Registration[Kind]]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def add(self, entry: Registration[Kind]) -> None:
        """Add a registration; a name that another plugin has is an error that names both."""
        taken = self._entries.get(entry.name)
        if taken is not None:
            raise PluginError(
                f"{self.kind} {entry.name!r} is registered by both {taken.plugin!r} and {entry.plugin!r}",
                hint="uninstall one of the two plugins",
            )
        self._entries[entry.name] = entry

    def get(self, name: str) -> Registration[Kind]:
        """The registration of a name; an unknown one is an error that suggests near ones."""
        entry = self._entries.get(name)
        if entry is None:
            near = difflib.get_close_matches(name, self._entries, n=1)
            known = ", ".join(sorted(self._entries)) or "none"
            raise PluginError(
                f"unknown {self.kind} {name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""),
                hint=f"known: {known}; `vicinal plugins` lists what is installed",
            )
        return entry

    def remove_plugin(self, plugin: str) -> None:
        """Take out all that a plugin registered."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.plugin != plugin}

    def load(self, name: str) -> type[Kind]:
        """Import the class behind a name. It must not import its heavy packages to be defined."""
        entry = self.get(name)
        owner = f"{self.kind} {name!r} of plugin {entry.plugin!r}"
        found = _import_target(entry.target, owner)
        base: type[Kind] = _import_target(self._base, owner)
        if not (isinstance(found, type) and issubclass(found, base)):
            raise PluginError(f"{owner}: {entry.target} is not a subclass of vicinal.{base.__name__}")
        if reason := _find_incompleteness(found):
            raise PluginError(f"{owner}: {reason}")
        return found

    def build(self, name: str, params: Any) -> Kind:
        """Make the source, encoder, reranker or item filter; what it needs must be installed."""
        entry = self.get(name)
        if missing := entry.missing():
            raise DependencyError(
                f"{self.kind} {name!r} needs {', '.join(missing)}, which is not installed",
                hint=entry.install_command(),
            )
        with attribute_errors(f"{self.kind} {name!r} of plugin {entry.plugin!r}", "__init__"):
            return self.load(name)(params)


def _import_target(target: str, owner: str) -> Any:
    """The object that ``"module:name"`` names."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:  # a plugin's module may fail in any way
        raise PluginError(f"{owner} cannot be loaded from {target}: {describe_error(error)}") from error


def _find_incompleteness(found: type[Any]) -> str:
    """Why no instance of this class can be made; empty where one can."""
    from vicinal.plugin.params import Configurable, Params

    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        return f"{found.__name__} has no {', no '.join(missing)}"
    if issubclass(found, Configurable) and not (isinstance(found.Params, type) and issubclass(found.Params, Params)):
        return f"{found.__name__}.Params is not derived from vicinal.Params"
    return ""


class Registrar(Generic[Kind]):
    """What a ``register_*`` hook is given: it adds names on behalf of one plugin."""

    def __init__(self, registry: Registry[Kind], plugin: str) -> None:
        self._registry = registry
        self._plugin = plugin

    def add(
        self, name: str, target: str, *, summary: str = "", requires: Sequence[str] = (), install: str = ""
    ) -> None:
        """Register a class by name, importing nothing.

        Args:
            name: what the YAML writes under ``type``.
            target: ``"module:Class"``; the module must be cheap to import.
            summary: one line for lists.
            requires: modules that the class imports when it works; a missing one is reported with a hint.
            install: what pip installs to get them, ``"vicinal[text]"`` say.
        """
        if not name or ":" not in target:
            raise PluginError(f"plugin {self._plugin!r} registers {name!r} as {target!r}; write 'module:Class'")
        if isinstance(requires, str):  # a string is a sequence, too: of its letters
            raise PluginError(f"plugin {self._plugin!r} registers {name!r} with requires={requires!r}; write a list")
        self._registry.add(Registration(name, target, summary, self._plugin, tuple(requires), install))


class SettingsRegistry(Mapping[str, "type[Params]"]):
    """What a YAML's ``plugins`` may say, by plugin; a class that is registered by name is imported when needed."""

    def __init__(self) -> None:
        self._entries: dict[str, type[Params] | str] = {}

    def __getitem__(self, plugin: str) -> type[Params]:
        """The class of a plugin's settings.

        Raises:
            KeyError: it has none.
            PluginError: the class cannot be imported, or does not suit.
        """
        found = self._entries[plugin]
        if isinstance(found, str):
            found = _require_settings(_import_target(found, f"settings of plugin {plugin!r}"), plugin)
            self._entries[plugin] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, plugin: str, params: type[Params] | str) -> None:
        """Add a class, which is checked at once, or the place of one."""
        self._entries[plugin] = params if isinstance(params, str) else _require_settings(params, plugin)

    def remove_plugin(self, plugin: str) -> None:
        """Take out what a plugin registered, if anything."""
        self._entries.pop(plugin, None)


def _require_settings(params: Any, plugin: str) -> type[Params]:
    from vicinal.plugin.params import Params

    if not (isinstance(params, type) and issubclass(params, Params)):
        raise PluginError(f"plugin {plugin!r} has settings {params!r}; derive a class from vicinal.Params")
    if required := [name for name, key in params.model_fields.items() if key.is_required()]:
        raise PluginError(f"plugin {plugin!r}: setting {required[0]!r} needs a default")
    return params


class SettingsRegistrar:
    """What ``register_settings`` is given: it says on behalf of one plugin what a YAML may set for it."""

    def __init__(self, registry: SettingsRegistry, plugin: str) -> None:
        self._registry = registry
        self._plugin = plugin

    def set(self, params: type[Params] | str) -> None:
        """The class of ``plugins: {NAME: {…}}``; all of its keys need defaults.

        ``"module:Class"`` names one that is imported only where a YAML is read, which keeps the command line quick.
        """
        self._registry.add(self._plugin, params)


def describe_error(error: BaseException) -> str:
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
