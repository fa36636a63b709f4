"""Finding plugins and what they register, without importing what they need.

There is no global manager: ``create_manager()`` makes a fresh one. A plugin is an entry point of the group ``vicinal``
that names a module with hook implementations. One that cannot be loaded is a row with its reason, not a crash.
"""

from __future__ import annotations

import difflib
import functools
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint, distributions
from typing import TYPE_CHECKING, Any

import pluggy
from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, ValidationInfo, model_validator

from vicinal.errors import PluginError
from vicinal.plugin import hookspecs
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.registry import Registrar, Registration, Registry, describe_error
from vicinal.plugin.reranker import Reranker
from vicinal.plugin.source import Source

if TYPE_CHECKING:
    import click

__all__ = ["EncoderBlock", "Manager", "PluginInfo", "Registrar", "Registration", "Registry", "create_manager"]

GROUP = "vicinal"


class EncoderBlock(BaseModel):
    """An encoder within another's parameters, as ``image: {type: resnet18}``; ``build`` makes it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    """The encoder's name; its parameters stand beside it."""
    _registry: Registry[Encoder] = PrivateAttr()
    _params: Any = PrivateAttr()

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> EncoderBlock:
        self._registry = (info.context or {}).get("encoders") or create_manager().encoders
        try:
            kind = self._registry.load(self.type).Params
            self._params = kind.model_validate(self.model_extra or {}, context=info.context)
        except PluginError as error:
            raise ValueError(f"{error}; {error.hint}") from error
        except ValidationError as error:
            details = [".".join(map(str, detail["loc"])) + f": {detail['msg']}" for detail in error.errors()]
            raise ValueError(f"encoder {self.type!r}: {', '.join(details)}") from error
        return self

    def build(self) -> Encoder:
        """Make the encoder.

        Raises:
            DependencyError: what it needs is not installed.
        """
        return self._registry.build(self.type, self._params)


@dataclass(slots=True)
class PluginInfo:
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
        self.status, self.reason, self.hint = "broken", describe_error(error), getattr(error, "hint", "")
        self.sources, self.encoders, self.rerankers, self.hooks = [], [], [], []


class Manager:
    """The plugins of one process part: their hooks, their registries, and a row for each of them."""

    def __init__(self) -> None:
        self._pluggy = pluggy.PluginManager(GROUP)
        self._pluggy.add_hookspecs(hookspecs)
        self._pluggy.add_hookcall_monitoring(lambda *_: None, self._name_culprit)
        self.sources = Registry[Source]("source", Source)  # type: ignore[type-abstract]
        self.encoders = Registry[Encoder]("encoder", Encoder)  # type: ignore[type-abstract]
        self.rerankers = Registry[Reranker]("reranker", Reranker)  # type: ignore[type-abstract]
        self.rows: list[PluginInfo] = []
        self._admitted: dict[str, PluginInfo] = {}

    @property
    def hook(self) -> pluggy.HookRelay:
        """The hooks, to be called with keyword arguments."""
        return self._pluggy.hook

    def register(self, plugin: object, name: str, distribution: str = "", version: str = "") -> PluginInfo:
        """Register a plugin; what goes wrong with it is written in its row, and nothing of it stays registered."""
        row = PluginInfo(name, distribution, version)
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
            row = PluginInfo(entry_point.name, distribution, version)
            self.rows.append(row)
            row.mark_broken(error)
        else:
            self.register(plugin, entry_point.name, distribution, version)

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

    def register_commands(self, group: click.Group) -> None:
        """Let plugins add commands to the command line; one that fails to is marked broken."""
        for implementation in self.hook.register_commands.get_hookimpls():
            try:
                implementation.function(group)
            except Exception as error:
                row = self._admitted[implementation.plugin_name]
                row.status, row.reason = "broken", describe_error(error)

    def _admit(self, plugin: object, row: PluginInfo) -> None:
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

    def _check_hooks(self, plugin: object, row: PluginInfo) -> None:
        callers = self._pluggy.get_hookcallers(plugin) or []
        for caller in callers:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, [spec for spec in dir(hookspecs) if "_" in spec], n=1)
                raise PluginError(f"unknown hook {caller.name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
        if not callers:
            raise PluginError("it implements no hook; mark its functions with @vicinal.hookimpl")
        row.hooks = sorted(caller.name for caller in callers)

    def _gather(self, plugin: object, row: PluginInfo) -> None:
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
            row.hint = "; ".join(dict.fromkeys(entry.install_command() for entry in short))

    def _registries(self) -> dict[str, Registry[Any]]:
        return {"sources": self.sources, "encoders": self.encoders, "rerankers": self.rerankers}

    def _forget(self, plugin: object) -> PluginInfo:
        row = self._admitted.pop(str(self._pluggy.get_name(plugin)))
        self._pluggy.unregister(plugin)
        for registry in self._registries().values():
            registry.forget(row.name)
        return row


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
