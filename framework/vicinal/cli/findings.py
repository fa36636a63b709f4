"""What ``doctor`` finds: each thing that it looks at is ok, missing or failed; nothing is fetched for a look."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydantic import ValidationError

from vicinal.errors import PluginError, VicinalError
from vicinal.toolkit.environment import override_environment

__all__ = ["NEEDS", "Finding", "make_finding", "without_network"]

NEEDS = "needs "
_OFFLINE = ("VICINAL_OFFLINE", "HF_HUB_OFFLINE")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: ``ok``, ``missing`` (something optional), or ``failed``."""

    what: str
    status: str
    detail: str
    hint: str = ""


def without_network() -> AbstractContextManager[None]:
    """Keep encoders from fetching weights only to be looked at."""
    return override_environment(dict.fromkeys(_OFFLINE, "1"))


def make_finding(what: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", find())
    except PluginError as error:
        return Finding(what, "missing", _as_found(str(error)), error.hint)
    except VicinalError as error:
        return Finding(what, "failed", str(error), error.hint)
    except ValidationError as error:  # an encoder without defaults for all of its parameters is not at fault
        return Finding(what, "ok", NEEDS + ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"]))
    except Exception as error:  # a plugin may fail in any way
        return Finding(what, "failed", f"{type(error).__name__}: {error}")


def _as_found(message: str) -> str:
    """An encoder takes it for the user's wish that nothing is fetched."""
    return message.replace(f"{_OFFLINE[0]} forbids downloads", "doctor fetches nothing")
