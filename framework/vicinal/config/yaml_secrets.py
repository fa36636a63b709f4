"""A config's text without what may be secret, for those who get a copy of it.

The secrets of stores stand in environment variables, which ``check_secrets`` sees to. A plugin's parameters may still
hold some: these are known by the names of their keys, and by URLs with a password or a token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

__all__ = ["redact_yaml"]

_WORDS = (
    "password|passwd|passphrase|pass|pwd|secret|token|credential|authorization|bearer|api_?key"
    "|(access|secret|private|account)_?key"
)
_SECRET_KEY = re.compile(rf"(?i)(^|_)({_WORDS})$")
_SECRET_KEYS = re.compile(rf"(?i)(^|_)({_WORDS})s$")
"""Those of several secrets; a number there is a count, as ``max_tokens``."""
_URL_PASSWORD = re.compile(r"(://[^/?#\s\"'@]*?:)(?!\$\{)[^/?#\s\"']+@")
_URL_PARAMETER = re.compile(rf"(?i)([?&](?:[\w-]*[_-])?(?:{_WORDS})=)(?!\$\{{)[^&#\s\"']+")


def redact_yaml(text: str) -> str:
    """The text, in which each secret is replaced by a variable, as ``${API_KEY}``, or a URL's by an ellipsis."""
    secrets = {node.start_mark.index: (node, key) for node, key in _iter_secrets(text)}
    for start, (node, key) in sorted(secrets.items(), reverse=True):
        variable = re.sub(r"\W", "_", key).upper()
        replaced = text[start : node.end_mark.index]
        anchor = re.match(r"(&\S+\s+)?", replaced)[0]  # type: ignore[index]
        line_end = "\n" if replaced.endswith("\n") else ""  # a block's last one is part of it
        text = f"{text[:start]}{anchor}'${{{variable}}}'{line_end}{text[node.end_mark.index :]}"
    return _URL_PARAMETER.sub(r"\g<1>…", _URL_PASSWORD.sub(r"\1…@", text))


def _iter_secrets(text: str) -> Iterator[tuple[yaml.ScalarNode, str]]:
    """The scalars that are secret, each with its key, but for those that are a variable or empty."""
    nodes = [(yaml.compose(text, yaml.SafeLoader), "")]
    while nodes:
        node, key = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += [(value, key) for value in node.value]
        elif isinstance(node, yaml.MappingNode):
            nodes += [(value, key if _is_secret(key) else str(name.value)) for name, value in node.value]
        elif isinstance(node, yaml.ScalarNode) and node.value and "${" not in node.value:
            is_number = node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
            if _SECRET_KEY.search(_normalize_key(key)) or (_is_secret(key) and not is_number):
                yield node, key


def _is_secret(key: str) -> bool:
    name = _normalize_key(key)
    return bool(_SECRET_KEY.search(name) or _SECRET_KEYS.search(name))


def _normalize_key(key: str) -> str:
    """The key with underscores between its words: ``secretAccessKey`` and ``x-api-key`` are names of some, too."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|-", "_", key)
