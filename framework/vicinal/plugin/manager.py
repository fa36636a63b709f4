"""Finding plugins and what they register, without importing what they need.

There is no global manager: ``create_manager()`` makes a fresh one. A plugin is an entry point of the group ``vicinal``
that names a module with hook implementations. One that cannot be loaded is a row with its reason, not a crash.
vicinal's own plugins are registered first, so that no other one can take their names.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
import sys
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from vicinal.errors import PluginError, VicinalError
from vicinal.plugin import hookspecs
from vicinal.plugin.observers import Observers
from vicinal.plugin.registry import (
    Registrar,
    Registration,
    Registry,
    SettingsRegistrar,
    SettingsRegistry,
    describe_error,
)
from vicinal.plugin.suggestion import Suggestion

if TYPE_CHECKING:
    import click

    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.item_filter import ItemFilter
    from vicinal.plugin.params import Params
    from vicinal.plugin.reranker import Reranker
    from vicinal.plugin.source import Source

__all__ = ["Manager", "PluginInfo", "create_manager", "disabled_plugins"]

logger = logging.getLogger("vicinal.plugin")

GROUP = "vicinal"
DISABLED_VARIABLE = "VICINAL_NO_PLUGINS"


@dataclass(slots=True)
class PluginInfo:
    """One line of ``vicinal plugins``."""

    name: str
    distribution: str
    version: str
    sources: list[str] = field(default_factory=list)
    encoders: list[str] = field(default_factory=list)
    rerankers: list[str] = field(default_factory=list)
    item_filters: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    status: str = "ok"
    reason: str = ""
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def mark_broken(self, error: BaseException) -> None:
        """Say why nothing of this plugin is registered."""
        self.status, self.reason, self.hint = "broken", describe_error(error), getattr(error, "hint", "")
        self.sources, self.encoders, self.rerankers, self.item_filters = [], [], [], []
        self.commands, self.hooks = [], []


class Manager:
    """The plugins of one process part: their hooks, their registries, and a row for each of them."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(GROUP)
        self._pluggy.add_hookspecs(hookspecs)
        self._pluggy.add_hookcall_monitoring(lambda *_: None, self._name_culprit)
        self.sources: Registry[Source] = Registry("source", "vicinal.plugin.source:Source")
        self.encoders: Registry[Encoder] = Registry("encoder", "vicinal.plugin.encoder:Encoder")
        self.rerankers: Registry[Reranker] = Registry("reranker", "vicinal.plugin.reranker:Reranker")
        self.item_filters: Registry[ItemFilter] = Registry("item filter", "vicinal.plugin.item_filter:ItemFilter")
        self.settings = SettingsRegistry()
        self.observers = Observers(self._pluggy)
        """The hooks that observe, to be called with keyword arguments."""
        self.rows: list[PluginInfo] = []
        self._registered: dict[str, PluginInfo] = {}

    # --- registering

    def register(self, plugin: object, name: str, distribution: str = "", version: str = "") -> PluginInfo:
        """Register a plugin; what goes wrong with it is written in its row, and nothing of it stays registered.

        A program may register a module that an entry point has registered already: its row is returned as it is.
        """
        if not distribution and name in self._registered and self._pluggy.get_plugin(name) is plugin:
            return self._registered[name]
        row = PluginInfo(name, distribution, version)
        self.rows.append(row)
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for what a command prints, JSON for instance
                self._register(plugin, row)
        except (Exception, SystemExit) as error:
            row.mark_broken(error)
        return row

    def unregister(self, plugin: object) -> None:
        """Take a plugin out again, with its row and all that it registered."""
        removed = self._unregister(plugin)
        self.rows = [row for row in self.rows if row is not removed]

    def load_entry_point(self, entry_point: EntryPoint, distribution: str, version: str) -> None:
        """Import one entry point's module and register it."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                plugin = entry_point.load()
        except (Exception, SystemExit) as error:  # a plugin may fail in any way; its row says how
            row = PluginInfo(entry_point.name, distribution, version)
            self.rows.append(row)
            row.mark_broken(error)
        else:
            self.register(plugin, entry_point.name, distribution, version)

    def list_disabled(self, name: str, distribution: str, version: str) -> None:
        """Add the row of a plugin that is installed and switched off."""
        reason = f"switched off by --no-plugin or {DISABLED_VARIABLE}"
        self.rows.append(PluginInfo(name, distribution, version, status="off", reason=reason))

    # --- asking the plugins

    def register_commands(self, group: click.Group, reserved: Collection[str] = ()) -> None:
        """Let plugins add commands to the command line; one that fails, or takes a name that exists, is broken."""
        import click

        for implementation in self._pluggy.hook.register_commands.get_hookimpls():
            row, own = self._registered[implementation.plugin_name], click.Group()
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    implementation.function(own)
                if taken := sorted({*own.commands} & {*reserved, *group.commands}):
                    raise PluginError(f"command {taken[0]!r} exists already", "give it another name")
            except (Exception, SystemExit) as error:
                row.status, row.reason, row.hint = "broken", describe_error(error), getattr(error, "hint", "")
                continue
            row.commands = sorted(own.commands)
            for name, command in own.commands.items():
                group.add_command(command, name)

    def configure(self, solution: str, settings: Mapping[str, Params]) -> None:
        """Give each plugin that has settings those of a solution, or the defaults.

        Raises:
            PluginError: a plugin refuses them.
        """
        for implementation in self._pluggy.hook.configure.get_hookimpls():
            if (name := implementation.plugin_name) not in self.settings:
                continue
            given = settings.get(name) or self.settings[name]()
            event = {"solution": solution, "settings": given}
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    implementation.function(**{argument: event[argument] for argument in implementation.argnames})
            except (Exception, SystemExit) as error:
                raise PluginError(f"plugin {name!r} refuses its settings: {describe_error(error)}") from error

    def suggest_solution(self, path: Path) -> Suggestion | None:
        """What the first plugin that knows such data suggests; those of others are asked before vicinal's own."""
        for implementation in reversed(self._pluggy.hook.suggest_solution.get_hookimpls()):
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    found: Any = implementation.function(path=path)
            except VicinalError:
                raise
            except (Exception, SystemExit) as error:
                logger.warning(
                    "plugin %r failed in hook suggest_solution: %s", implementation.plugin_name, describe_error(error)
                )
                continue
            if isinstance(found, Suggestion):
                return found
        return None

    # --- how it works

    def _name_culprit(
        self, outcome: pluggy.Result[Any], name: str, implementations: Sequence[pluggy.HookImpl], _: Any
    ) -> None:
        """Note on an exception which plugin's hook raised it; pluggy does not say."""
        if (error := outcome.exception) is None:
            return
        passed = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
        for implementation in implementations:
            if getattr(implementation.function, "__code__", None) in passed:
                versions = [
                    f"{row.distribution} {row.version}" for row in self.rows if row.name == implementation.plugin_name
                ]
                error.add_note(
                    f"raised by plugin {implementation.plugin_name!r} ({''.join(versions)}) in hook {name!r}"
                )

    def _register(self, plugin: object, row: PluginInfo) -> None:
        if plugin is None or isinstance(plugin, type):
            what = "it is None" if plugin is None else f"{plugin.__name__} is a class"
            raise PluginError(f"{what}; a plugin is a module or an instance")
        if (taken := self._registered.get(row.name)) is not None:
            owners = " and of ".join(found.distribution or "this program" for found in (taken, row))
            raise PluginError(f"two plugins are named {row.name!r}, of {owners}", "uninstall one of the two plugins")
        self._pluggy.register(plugin, row.name)
        self._registered[row.name] = row
        try:
            self._check_hooks(plugin, row)
            self._collect(plugin, row)
        except BaseException:
            self._unregister(plugin)
            raise

    def _check_hooks(self, plugin: object, row: PluginInfo) -> None:
        callers = self._pluggy.get_hookcallers(plugin) or []
        for caller in callers:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, [spec for spec in dir(hookspecs) if "_" in spec], n=1)
                raise PluginError(f"unknown hook {caller.name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        if not callers:
            raise PluginError("it implements no hook; mark its functions with @vicinal.hookimpl")
        row.hooks = sorted(caller.name for caller in callers)

    def _collect(self, plugin: object, row: PluginInfo) -> None:
        """Have a plugin register its sources, encoders, rerankers, item filters and settings."""
        incomplete: list[Registration[Any]] = []
        for kind, registry in self._list_registries().items():
            self._call_hook(plugin, f"register_{kind}", Registrar(registry, row.name))
            added = [entry for entry in registry if entry.plugin == row.name]
            setattr(row, kind, [entry.name for entry in added])
            incomplete += [entry for entry in added if entry.missing()]
        self._call_hook(plugin, "register_settings", SettingsRegistrar(self.settings, row.name))
        if incomplete:
            row.status = "incomplete"
            row.reason = "; ".join(f"{entry.name} needs {', '.join(entry.missing())}" for entry in incomplete)
            row.hint = "; ".join(dict.fromkeys(entry.install_command() for entry in incomplete))

    def _call_hook(self, plugin: object, hook: str, registrar: object) -> None:
        for implementation in getattr(self._pluggy.hook, hook).get_hookimpls():
            if implementation.plugin is plugin:
                implementation.function(*[registrar] * len(implementation.argnames))

    def _list_registries(self) -> dict[str, Registry[Any]]:
        return {
            "sources": self.sources,
            "encoders": self.encoders,
            "rerankers": self.rerankers,
            "item_filters": self.item_filters,
        }

    def _unregister(self, plugin: object) -> PluginInfo:
        row = self._registered.pop(str(self._pluggy.get_name(plugin)))
        self._pluggy.unregister(plugin)
        self.settings.remove_plugin(row.name)
        for registry in self._list_registries().values():
            registry.remove_plugin(row.name)
        return row


@functools.cache
def _entry_points() -> list[tuple[EntryPoint, str, str]]:
    """Every installed plugin with its distribution and version, vicinal's own first."""
    found: dict[tuple[bool, str, str], tuple[EntryPoint, str, str]] = {}
    for distribution in distributions():
        text = distribution.read_text("entry_points.txt")
        if text and f"[{GROUP}]" in text:
            name = distribution.metadata["Name"]
            for entry_point in distribution.entry_points.select(group=GROUP):
                key = (name != GROUP, entry_point.name, name)
                found.setdefault(key, (entry_point, name, distribution.version))
    return [found[key] for key in sorted(found)]


def disabled_plugins() -> set[str]:
    """The names that the environment switches off, separated by commas."""
    return {name for name in map(str.strip, os.environ.get(DISABLED_VARIABLE, "").split(",")) if name}


def create_manager(*, entry_points: bool = True) -> Manager:
    """A fresh manager with every installed plugin that is not switched off, or with none.

    Tests that need a plugin without installing it make an empty one and register it:
    ``create_manager(entry_points=False).register(my_plugin, "mine")``.
    """
    manager = Manager()
    disabled = disabled_plugins()
    for entry_point, distribution, version in _entry_points() if entry_points else ():
        if entry_point.name in disabled:
            manager.list_disabled(entry_point.name, distribution, version)
        else:
            manager.load_entry_point(entry_point, distribution, version)
    return manager
