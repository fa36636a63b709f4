"""Finding plugins and what they register, without importing what they need.

There is no global manager: ``create_manager()`` makes a fresh one. A plugin is an entry point of the group ``vicinal``
that names a module with hook implementations. One that cannot be loaded is a row with its reason, not a crash.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from vicinal import hookspecs
from vicinal.encoder import Encoder
from vicinal.errors import DependencyMissing, PluginError
from vicinal.reranker import Reranker
from vicinal.source import Source

if TYPE_CHECKING:
    import click

__all__ = ["Manager", "PluginRow", "Registrar", "Registration", "Registry", "create_manager"]

GROUP = "vicinal"
Kind = TypeVar("Kind", bound=Source | Encoder | Reranker)


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

    def remedy(self) -> str:
        """The pip command that installs what is missing."""
        return f'pip install "{self.install}"' if self.install else f"pip install {' '.join(self.missing())}"


class Registry(Generic[Kind]):
    """The sources, encoders or rerankers that are known by name."""

    def __init__(self, kind: str, base: type[Kind]) -> None:
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

    def forget(self, plugin: str) -> None:
        """Take out all that a plugin registered."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.plugin != plugin}

    def load(self, name: str) -> type[Kind]:
        """Import the class behind a name. It must not import its heavy packages to be defined."""
        entry = self.get(name)
        module, _, attribute = entry.target.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except Exception as error:  # a plugin's module may fail in any way
            owner = f"{self.kind} {name!r} of plugin {entry.plugin!r}"
            raise PluginError(f"{owner} cannot be loaded from {entry.target}: {_reason(error)}") from error
        if not (isinstance(found, type) and issubclass(found, self._base)):
            raise PluginError(
                f"{self.kind} {name!r} of plugin {entry.plugin!r}: {entry.target} is not a subclass of"
                f" vicinal.{self._base.__name__}"
            )
        return found

    def build(self, name: str, params: Any) -> Kind:
        """Make the source, encoder or reranker; what it needs must be installed."""
        entry = self.get(name)
        if missing := entry.missing():
            raise DependencyMissing(
                f"{self.kind} {name!r} needs {', '.join(missing)}, which is not installed",
                hint=entry.remedy(),
            )
        return self.load(name)(params)


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


@dataclass(slots=True)
class PluginRow:
    """One line of ``vicinal plugins``."""

    name: str
    distribution: str
    version: str
    sources: list[str] = field(default_factory=list)
    encoders: list[str] = field(default_factory=list)
    rerankers: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    status: str = "ok"
    reason: str = ""
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def mark_broken(self, error: BaseException) -> None:
        """Say why nothing of this plugin is registered."""
        self.status, self.reason, self.hint = "broken", _reason(error), getattr(error, "hint", "")
        self.sources, self.encoders, self.rerankers, self.hooks = [], [], [], []


class Manager:
    """The plugins of one process part: their hooks, their registries, and a row for each of them."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(GROUP)
        self._pluggy.add_hookspecs(hookspecs)
        self.sources = Registry[Source]("source", Source)  # type: ignore[type-abstract]
        self.encoders = Registry[Encoder]("encoder", Encoder)  # type: ignore[type-abstract]
        self.rerankers = Registry[Reranker]("reranker", Reranker)  # type: ignore[type-abstract]
        self.rows: list[PluginRow] = []
        self._admitted: dict[str, PluginRow] = {}

    @property
    def hook(self) -> pluggy.HookRelay:
        """The hooks, to be called with keyword arguments."""
        return self._pluggy.hook

    def register(self, plugin: object, name: str, distribution: str = "", version: str = "") -> PluginRow:
        """Register a plugin; what goes wrong with it is written in its row, and nothing of it stays registered."""
        row = PluginRow(name, distribution, version)
        self.rows.append(row)
        try:
            self._admit(plugin, row)
        except (Exception, SystemExit) as error:
            row.mark_broken(error)
        return row

    def unregister(self, plugin: object) -> None:
        """Take a plugin out again, with its row and all that it registered."""
        forgotten = self._forget(plugin)
        self.rows = [row for row in self.rows if row is not forgotten]

    def load_entry_point(self, entry_point: EntryPoint, distribution: str, version: str) -> None:
        """Import one entry point's module and register it."""
        try:
            plugin = entry_point.load()
        except (Exception, SystemExit) as error:  # a plugin may fail in any way; its row says how
            row = PluginRow(entry_point.name, distribution, version)
            self.rows.append(row)
            row.mark_broken(error)
        else:
            self.register(plugin, entry_point.name, distribution, version)

    def register_commands(self, group: click.Group) -> None:
        """Let plugins add commands to the command line; one that fails to is marked broken."""
        for implementation in self.hook.register_commands.get_hookimpls():
            try:
                implementation.function(group)
            except Exception as error:
                row = self._admitted[implementation.plugin_name]
                row.status, row.reason = "broken", _reason(error)

    def _admit(self, plugin: object, row: PluginRow) -> None:
        if plugin is None or isinstance(plugin, type):
            what = "it is None" if plugin is None else f"{plugin.__name__} is a class"
            raise PluginError(f"{what}; a plugin is a module or an instance")
        if (taken := self._admitted.get(row.name)) is not None:
            owners = " and of ".join(found.distribution or "this program" for found in (taken, row))
            raise PluginError(
                f"two plugins are named {row.name!r}, of {owners}", hint="uninstall one of the two plugins"
            )
        self._pluggy.register(plugin, row.name)
        self._admitted[row.name] = row
        try:
            self._check_hooks(plugin, row)
            self._gather(plugin, row)
        except BaseException:
            self._forget(plugin)
            raise

    def _check_hooks(self, plugin: object, row: PluginRow) -> None:
        callers = self._pluggy.get_hookcallers(plugin) or []
        for caller in callers:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, [spec for spec in dir(hookspecs) if "_" in spec], n=1)
                raise PluginError(f"unknown hook {caller.name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        if not callers:
            raise PluginError("it implements no hook; mark its functions with @vicinal.hookimpl")
        row.hooks = sorted(caller.name for caller in callers)

    def _gather(self, plugin: object, row: PluginRow) -> None:
        short: list[Registration[Any]] = []
        for kind, registry in self._registries().items():
            for implementation in getattr(self.hook, f"register_{kind}").get_hookimpls():
                if implementation.plugin is plugin:
                    implementation.function(Registrar(registry, row.name))
            added = [entry for entry in registry if entry.plugin == row.name]
            setattr(row, kind, [entry.name for entry in added])
            short += [entry for entry in added if entry.missing()]
        if short:
            row.status = "incomplete"
            row.reason = "; ".join(f"{entry.name} needs {', '.join(entry.missing())}" for entry in short)
            row.hint = "; ".join(dict.fromkeys(entry.remedy() for entry in short))

    def _registries(self) -> dict[str, Registry[Any]]:
        return {"sources": self.sources, "encoders": self.encoders, "rerankers": self.rerankers}

    def _forget(self, plugin: object) -> PluginRow:
        row = self._admitted.pop(str(self._pluggy.get_name(plugin)))
        self._pluggy.unregister(plugin)
        for registry in self._registries().values():
            registry.forget(row.name)
        return row


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


@functools.cache
def _entry_points() -> list[tuple[EntryPoint, str, str]]:
    found: dict[tuple[str, str], tuple[EntryPoint, str, str]] = {}
    for distribution in distributions():
        text = distribution.read_text("entry_points.txt")
        if text and f"[{GROUP}]" in text:
            name = distribution.metadata["Name"]
            for entry_point in distribution.entry_points.select(group=GROUP):
                found.setdefault((entry_point.name, name), (entry_point, name, distribution.version))
    return [found[key] for key in sorted(found)]


def create_manager(*, entry_points: bool = True) -> Manager:
    """A fresh manager with every installed plugin, or with none."""
    manager = Manager()
    if entry_points:
        for entry_point, distribution, version in _entry_points():
            manager.load_entry_point(entry_point, distribution, version)
    return manager
