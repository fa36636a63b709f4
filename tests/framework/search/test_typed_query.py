"""What a client typed never becomes the path of a file."""

from __future__ import annotations

import pytest

from vicinal import ItemError
from vicinal.search.typed_query import describe_modalities, to_typed_query
from vicinal.types import IMAGE, TEXT, Modality

SMILES = Modality("smiles", label="SMILES")


@pytest.mark.parametrize(
    ("modalities", "query", "expected"),
    [
        ((TEXT,), "/etc/passwd", "/etc/passwd"),
        ((TEXT,), "\\@home", "\\@home"),
        ((SMILES,), "CCO", "CCO"),
        ((IMAGE, TEXT), "/etc/passwd", "text:/etc/passwd"),
        ((IMAGE, TEXT), "text:/etc/passwd", "text:text:/etc/passwd"),
        ((IMAGE, TEXT), "\\@home", "text:@home"),
        ((IMAGE, TEXT), "@cat.jpg", "@cat.jpg"),
        ((IMAGE,), "@cat.jpg", "@cat.jpg"),
        ((), "@cat.jpg", "@cat.jpg"),
    ],
)
def test_a_query_that_is_safe_to_pass_to_the_encoder(modalities, query, expected):
    assert to_typed_query(query, modalities) == expected


@pytest.mark.parametrize("modalities", [(IMAGE,), ()])
def test_a_text_is_refused_where_no_text_is_read(modalities):
    with pytest.raises(ItemError, match="the solution cannot be searched by a text") as error:
        to_typed_query("/etc/passwd", modalities)
    assert error.value.hint == f"search by {describe_modalities(modalities)}"


def test_modalities_are_described_for_people():
    assert describe_modalities((IMAGE, TEXT)) == "a file (image), text, @key of an indexed item"
    assert describe_modalities((SMILES,)) == "SMILES, @key of an indexed item"
