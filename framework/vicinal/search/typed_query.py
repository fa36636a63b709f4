"""What clients type, in a form that no encoder takes for the path of a file."""

from __future__ import annotations

from collections.abc import Sequence

from vicinal.errors import ItemError
from vicinal.types import Modality, TextQuery

__all__ = ["describe_modalities", "to_typed_query"]


def to_typed_query(query: str, modalities: Sequence[Modality]) -> str:
    """Return a query that a client typed in the form that is safe to pass to the encoder: a text or ``@key``.

    An encoder that is asked with files would read a local file of that name otherwise.

    Args:
        query: the text; one that begins with ``@`` is the key of an indexed item, unless ``\\@`` stands there.
        modalities: those of the encoder, ``query_modalities``.

    Raises:
        ItemError: the solution cannot be searched by text; the hint says by what it can.
    """
    if query.startswith("@"):
        return query
    if not any(modality.input == "text" for modality in modalities):
        raise ItemError(
            "the solution cannot be searched by a text", hint=f"search by {describe_modalities(modalities)}"
        )
    if any(modality.input == "file" for modality in modalities):
        return TextQuery.PREFIX + (query[1:] if query.startswith("\\@") else query)
    return query


def describe_modalities(modalities: Sequence[Modality]) -> str:
    """Say what a solution can be searched with: ``a file (image), text, @key of an indexed item``."""
    ways = [modality.label if modality.input == "text" else f"a file ({modality.label})" for modality in modalities]
    return ", ".join([*ways, "@key of an indexed item"])
