"""Errors that a user can act on, and the exit codes they end a command with.

    VicinalError                      exit code 1, the root of all of them
    ├── ItemError                     one item cannot be read; recorded as a failure, never ends a run
    │   └── ItemSkipped               an item is left out on purpose; counted, and no failure
    ├── ConfigError                   3, the YAML file is wrong; lists every problem with its place
    │   └── UnsupportedByEngineError  3, the Milvus engine at hand cannot do what the YAML asks for
    ├── PluginError                   4, a plugin is unknown, broken or claims a taken name
    │   └── DependencyError           4, a plugin needs a package or a model that is not installed
    ├── SourceError                   1, the source as a whole cannot be read
    ├── StoreError                    1, a store answered with an error
    │   ├── StoreUnreachableError     5, Milvus or Redis does not respond
    │   ├── StoreBusyError            1, another process holds the embedded file or the writer's lock
    │   ├── StoreMismatchError        1, the collection was built by another encoder or schema
    │   └── GenerationReplacedError   1, a reindex has just replaced what was in use
    ├── TooManyFailuresError          1, the run's budget of failures is spent
    ├── GateFailedError               1, what a reindex has built is not good enough to replace what is searched
    ├── FilterError                   2, a filter expression is wrong
    ├── UnknownItemError              1, no item with this key is indexed
    ├── ItemExistsError               1, an item with this key is indexed, and was not to be replaced
    └── NothingIndexedError           1, the solution has nothing to search in yet

Each carries a ``hint``: what the user can do next. Everything else that is raised is a defect and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar

__all__ = [
    "ConfigError",
    "DependencyError",
    "ExitCode",
    "FilterError",
    "GateFailedError",
    "GenerationReplacedError",
    "ItemError",
    "ItemExistsError",
    "ItemSkipped",
    "NothingIndexedError",
    "PluginError",
    "SourceError",
    "StoreBusyError",
    "StoreError",
    "StoreMismatchError",
    "StoreUnreachableError",
    "TooManyFailuresError",
    "UnknownItemError",
    "UnsupportedByEngineError",
    "VicinalError",
]


class ExitCode(IntEnum):
    """What a ``vicinal`` command's exit status means."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    BAD_CONFIG = 3
    PLUGIN_MISSING = 4
    UNREACHABLE = 5
    INTERRUPTED = 130


class VicinalError(Exception):
    """An error with a message for the user and, where there is one, a hint what to do next."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    argument: str = ""
    """What of a request it is about, as ``like.0``, ``examples`` or ``by``; empty where it is about something else."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ItemError(VicinalError):
    """An item cannot be read or encoded. Raise it from ``decode``: it becomes a recorded failure."""


class ItemSkipped(ItemError):  # noqa: N818, it is no error of the item
    """An item is left out on purpose. Raise it from ``decode``: runs count it with its reason, and it is no failure.

    What was indexed of the item before is removed.
    """


class ConfigError(VicinalError):
    """A YAML file is wrong. ``problems`` holds a line ``file:line:col: key: message`` for each mistake."""

    exit_code = ExitCode.BAD_CONFIG

    def __init__(self, message: str, *, problems: Sequence[str] = (), hint: str = "") -> None:
        super().__init__("\n".join([message, *problems]) if problems else message, hint=hint)
        self.problems = tuple(problems)


class UnsupportedByEngineError(ConfigError):
    """The Milvus engine cannot do what was asked; found before anything is created."""


class PluginError(VicinalError):
    """A plugin is unknown, broken, or claims a name that another one has."""

    exit_code = ExitCode.PLUGIN_MISSING


class DependencyError(PluginError):
    """A package or a model that a plugin needs is not installed."""


class SourceError(VicinalError):
    """The source as a whole cannot be read, so that nothing of it can be indexed."""


class StoreError(VicinalError):
    """A store answered with an error."""


class StoreUnreachableError(StoreError):
    """Milvus or Redis does not respond."""

    exit_code = ExitCode.UNREACHABLE


class StoreBusyError(StoreError):
    """Another process holds the embedded file or writes to this solution."""


class StoreMismatchError(StoreError):
    """What is stored was built by another encoder or with other fields than the YAML says."""


class GenerationReplacedError(StoreError):
    """A reindex has put another generation of the solution in the place of that which was in use."""


class TooManyFailuresError(VicinalError):
    """More items failed than ``ingest.max_failures`` allows; what was done until then is kept."""


class GateFailedError(VicinalError):
    """What a reindex has built did not pass its gate, so that nothing was replaced."""


class FilterError(VicinalError):
    """A filter expression cannot be read by Milvus, or names a field that is not declared."""

    exit_code = ExitCode.USAGE


class UnknownItemError(VicinalError):
    """No item with this key is indexed; or a query names something else that the solution does not know, as a user."""


class ItemExistsError(VicinalError):
    """An item with this key is indexed, and was not to be replaced."""


class NothingIndexedError(VicinalError):
    """The solution has nothing to search in yet: no item, or no index while its first run goes on."""
