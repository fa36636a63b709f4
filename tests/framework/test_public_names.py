"""What ``from vicinal import …`` offers: a name for all that an author needs, loaded when it is first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import vicinal


@pytest.mark.parametrize("name", vicinal.__all__)
def test_every_public_name_is_there(name):
    assert getattr(vicinal, name) is not None


def test_dir_lists_the_public_names():
    assert dir(vicinal) == sorted(vicinal.__all__)


def test_listing_the_names_imports_nothing():
    code = "import sys, vicinal; dir(vicinal); print([name for name in sys.modules if name.startswith('vicinal.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'vicinal' has no attribute 'Encodr'"):
        vicinal.Encodr  # noqa: B018
