"""Milvus' client, imported without what it reads from the environment and would do on its own."""

from __future__ import annotations

import logging
import os
import threading

from vicinal.toolkit.environment import override_environment

__all__ = ["clear_schema_cache", "import_client"]

_VARIABLES = ("MILVUS_URI", "MILVUS_DEFAULT_CONNECTION")
_import_lock = threading.Lock()


def import_client() -> None:
    """Import pymilvus, and silence its logging: it prints every error that it raises, with a traceback, to stderr.

    gRPC, which it imports, would print a line for each process that is started while it is in use.

    At its import it reads ``MILVUS_URI``, too, as a server's address only. For a path it raises an error, which repeats
    the variable's value. So the variable is empty meanwhile; being set, it is not read from a .env file either.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    with _import_lock, override_environment(dict.fromkeys(_VARIABLES, "")):
        import pymilvus  # noqa: F401
    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    logging.getLogger("milvus_lite").setLevel(logging.CRITICAL)


def clear_schema_cache() -> None:
    """Milvus' client caches schemas by name for the whole process, and keeps them when an alias moves."""
    from pymilvus.client.cache import GlobalCache

    GlobalCache.schema.clear()
