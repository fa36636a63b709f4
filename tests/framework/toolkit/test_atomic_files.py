"""A file is replaced in one step: with its permissions, through a link, and not at all where writing it fails."""

from __future__ import annotations

import os

import pytest

from vicinal.config.yaml_edit import edit_file
from vicinal.errors import VicinalError
from vicinal.toolkit.atomic_files import open_replacing, replace_file, require_writable


@pytest.fixture
def umask():
    """Nobody else reads new files."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def file(tmp_path, umask):
    path = tmp_path / "a.yaml"
    path.write_text("old")
    path.chmod(0o664)
    return path


def mode(path):
    return path.stat().st_mode & 0o777


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "write", [lambda path: replace_file(path, b"new"), lambda path: edit_file(path, lambda text: "new")]
)
@pytest.mark.parametrize("permissions", [0o600, 0o664, 0o444])
def test_a_file_keeps_its_permissions(file, write, permissions):
    file.chmod(permissions)

    write(file)

    assert (file.read_text(), mode(file), names(file.parent)) == ("new", permissions, ["a.yaml"])


def test_a_new_file_has_those_that_new_files_have(tmp_path, umask):
    replace_file(tmp_path / "a.yaml", b"new")

    assert mode(tmp_path / "a.yaml") == 0o600


def test_nobody_may_read_it_meanwhile_who_may_not_read_it_then(tmp_path):
    path = tmp_path / "secret"
    path.touch(0o600)

    with open_replacing(path):
        assert [mode(one) for one in tmp_path.iterdir()] == [0o600, 0o600]


def test_a_link_stays_a_link(file):
    link = file.with_name("link")
    link.symlink_to(file.name)

    replace_file(link, b"new")

    assert link.is_symlink()
    assert (file.read_text(), mode(file), names(file.parent)) == ("new", 0o664, ["a.yaml", "link"])


def test_a_pipe_is_written_at_once(file):
    os.mkfifo(file.parent / "pipe")
    reader = os.open(file.parent / "pipe", os.O_RDONLY | os.O_NONBLOCK)

    require_writable(file.parent / "pipe")
    replace_file(file.parent / "pipe", b"new")

    assert os.read(reader, 9) == b"new"
    os.close(reader)


def test_a_failure_leaves_what_was_there(file):
    with pytest.raises(ZeroDivisionError), open_replacing(file) as part:
        part.write(b"half")
        raise ZeroDivisionError

    assert (file.read_text(), mode(file), names(file.parent)) == ("old", 0o664, ["a.yaml"])


@pytest.mark.parametrize("write", [require_writable, lambda path: replace_file(path, b"")])
@pytest.mark.parametrize(("name", "reason"), [("no/a", "No such file or directory"), ("a.yaml/a", "Not a directory")])
def test_an_error_names_the_file(file, write, name, reason):
    with pytest.raises(VicinalError, match=rf"^cannot write \S+/{name}: {reason}$") as error:
        write(file.parent / name)
    assert error.value.hint == "name a file in a folder that exists"
