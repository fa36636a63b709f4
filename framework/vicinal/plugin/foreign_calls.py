"""Calls into plugins: what goes wrong there names the plugin's class, and none of it ends the process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vicinal.errors import PluginError, VicinalError

if TYPE_CHECKING:
    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.source import Source

__all__ = ["PluginExitError", "attribute_errors", "count_items", "name_encoder"]

logger = logging.getLogger("vicinal.plugin")


class PluginExitError(PluginError):
    """A plugin called ``sys.exit``, which must end neither the process nor one of its threads unnoticed."""


@contextmanager
def attribute_errors(owner: str, method: str) -> Iterator[None]:
    """Note on an exception that ``owner``, as ``encoder Kmers``, raised it in a method.

    Raises:
        PluginExitError: it called ``sys.exit``.
    """
    try:
        yield
    except SystemExit as error:
        raise PluginExitError(f"{owner} called sys.exit({error.code!r}) in {method}") from error
    except VicinalError:
        raise
    except Exception as error:
        error.add_note(f"raised by {owner} in {method}")
        raise


def name_encoder(encoder: Encoder) -> str:
    """Name an encoder in errors of calls into it, as ``encoder Kmers``."""
    return f"encoder {type(encoder).__name__}"


def count_items(source: Source) -> int | None:
    """About how many items a source has; None where it does not know, or fails at that, which costs a progress bar."""
    try:
        count = source.count()
    except (Exception, SystemExit) as error:
        logger.warning("source %s cannot count its items: %s: %s", type(source).__name__, type(error).__name__, error)
        return None
    return count if isinstance(count, int) else None
