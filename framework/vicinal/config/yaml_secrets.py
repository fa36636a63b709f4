"""A config's text without what may be secret, for those who get a copy of it.

The secrets of stores stand in environment variables, which ``check_secrets`` sees to. A plugin's parameters may still
hold some: these are known by the names of their keys, and by URLs with a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

__all__ = ["redact_yaml"]

_SECRET_KEY = re.compile(r"(?i)(^|_)(password|passwd|secret|token|credential|api_?key|(access|secret|private)_key)$")
_URL_PASSWORD = re.compile(r"(://[^/?#\s\"'@]*?:)(?!\$\{)[^/?#\s\"']+@")


def redact_yaml(text: str) -> str:
    """The text, in which each secret is replaced by a variable, as ``${API_KEY}``, or a URL's by an ellipsis."""
    for node, key in sorted(_iter_secrets(text), key=lambda found: -found[0].start_mark.index):
        variable = re.sub(r"\W", "_", key).upper()
        text = f"{text[: node.start_mark.index]}'${{{variable}}}'{text[node.end_mark.index :]}"
    return _URL_PASSWORD.sub(r"\1…@", text)


def _iter_secrets(text: str) -> Iterator[tuple[yaml.ScalarNode, str]]:
    """The scalars that are secret, each with its key, but for those that are a variable or empty."""
    nodes = [yaml.compose(text, yaml.SafeLoader)]
    while nodes:
        node = nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                nodes.append(value)
                is_literal = isinstance(value, yaml.ScalarNode) and value.value and "${" not in value.value
                if is_literal and _SECRET_KEY.search(str(key.value)):
                    yield value, str(key.value)
