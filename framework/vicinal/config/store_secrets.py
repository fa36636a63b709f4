"""Secrets of stores stand in environment variables, not in a YAML file."""

from __future__ import annotations

import re

from vicinal.config.document import Document

__all__ = ["check_secrets"]

_SECRET_IN_FILE = "the file contains a secret; write ${NAME} and set that environment variable"


def check_secrets(document: Document) -> None:
    """Add a problem for each password or token that the file itself gives under ``stores``."""
    stores = document.data.get("stores")
    for key, value in stores.items() if isinstance(stores, dict) else ():
        loc = ("stores", key)
        if isinstance(value, str) and _contains_secret(key, document.unexpanded.get(loc, value)):
            document.add_problem(loc, _SECRET_IN_FILE)


def _contains_secret(key: str, literal: str) -> bool:
    """Whether the file's own text, without environment variables, contains a password or a token."""
    if key == "token":
        return not re.fullmatch(r"|[^:]*:", literal)
    return bool(re.search(r"://[^/?#]*:[^/?#]+@|[?&](?:[a-z]+_)?(?:password|token)=[^&]", literal))
