"""The source ``folder`` and its globs, on real files; the plugin's registration; and the command ``peek``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from source_helpers import make_lines, make_table, read_contents, read_failures, write_file
from vicinal import Failure, Item, create_manager, hookimpl
from vicinal.errors import SourceError
from vicinal_files import folder as folder_module
from vicinal_files.folder import Folder
from vicinal_files.globs import compile_globs
from vicinal_files.lines import Lines
from vicinal_files.peek import peek
from vicinal_files.table import Table


class TestRegistration:
    def test_the_entry_point_registers_three_sources_and_a_command(self):
        manager = create_manager()
        row = next(row for row in manager.rows if row.name == "files")
        assert (row.status, row.sources) == ("ok", ["folder", "lines", "table"])
        assert "register_commands" in row.hooks
        for name, cls in (("folder", Folder), ("table", Table), ("lines", Lines)):
            assert manager.sources.load(name) is cls

    def test_the_modules_import_nothing_heavy(self):
        code = (
            "import sys, vicinal_files.folder, vicinal_files.table, vicinal_files.lines, vicinal_files.peek;"
            "print(sorted({'pandas', 'pyarrow', 'numpy', 'rich'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("cls", [Folder, Table, Lines])
    def test_every_parameter_is_described(self, cls):
        assert all(field["description"] for field in cls.Params.model_json_schema()["properties"].values())


class TestGlobs:
    @pytest.mark.parametrize(
        ("pattern", "matching", "other"),
        [
            ("**/*", ["a", "a/b", "a/b/c.d"], []),
            ("**", ["a", "a/b"], []),
            ("*.jpg", ["a.jpg", ".jpg"], ["a/b.jpg", "a.jpgx", "ajpg"]),
            ("**/*.jpg", ["IMG_1.JPG", "a/b.Jpg"], ["a.JPGX"]),
            ("*.{jpg,JPEG}", ["a.JPG", "a.jpeg"], ["a.png"]),
            ("*.tar.gz", ["A.TAR.GZ"], []),
            ("Img.jpg", ["Img.JPG"], ["img.jpg"]),
            ("*.jp*g", ["a.JPEG", "a.jpg"], []),
            ("*.[jp]*", ["a.JPG", "a.Png"], ["a.GIF"]),
            ("train.x/a", ["train.x/a"], ["train.X/a", "train.x/A"]),
            (".Hidden", [".Hidden"], [".hidden"]),
            ("A*", ["Ab.txt"], ["ab.txt"]),
            ("**/*.jpg", ["a.jpg", "a/b.jpg", "a/b/c.jpg"], ["a.png"]),
            ("train/**", ["train/a", "train/a/b"], ["train", "retrain/a"]),
            ("train/**/a.txt", ["train/a.txt", "train/x/y/a.txt"], ["train/xa.txt", "a.txt"]),
            ("**/**/a", ["a", "x/a", "x/y/a"], ["xa"]),
            ("./a/*", ["a/b"], ["a/b/c"]),
            ("a?.txt", ["ab.txt"], ["a.txt", "a/.txt"]),
            ("[a-c]x", ["ax", "cx"], ["dx", "/x"]),
            ("[!a-c]x", ["dx"], ["ax", "/x"]),
            ("[]^]x", ["]x", "^x"], ["ax"]),
            ("[x", ["[x"], ["x"]),
            ("*.{jpg,png}", ["a.jpg", "a.png"], ["a.{jpg,png}", "a.gif"]),
            ("{a/b,c{d,e}}/x", ["a/b/x", "cd/x", "ce/x"], ["a/x"]),
            ("a+(1).txt", ["a+(1).txt"], ["aa1.txt"]),
        ],
    )
    def test_a_pattern_matches_whole_paths(self, pattern, matching, other):
        matches = compile_globs([pattern])
        assert [path for path in matching + other if matches(path)] == matching

    def test_no_pattern_matches_nothing(self):
        assert not compile_globs([])("a")

    @pytest.mark.parametrize("pattern", ["", "/", "[z-a]"])
    def test_an_invalid_glob_is_refused(self, pattern):
        with pytest.raises(ValidationError):
            Folder.Params(path="x", include=[pattern])


class TestFolder:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        for name in (
            "b.txt",
            "a/2.txt",
            "a/1.txt",
            "a/deep/x.jpg",
            "a.txt",
            ".hidden",
            ".git/config",
            "a/.x/y",
            "c d/é",
        ):
            write_file(tmp_path / "root" / name, name)
        return tmp_path / "root"

    def folder(self, path: Path, **params) -> Folder:
        return Folder(Folder.Params(path=path, **params))

    def test_files_come_in_the_order_of_their_keys(self, root):
        keys = list(read_contents(self.folder(root)))
        assert keys == ["a.txt", "a/1.txt", "a/2.txt", "a/deep/x.jpg", "b.txt", "c d/é"] == sorted(keys)
        assert self.folder(root).count() == 6

    def test_an_item_describes_its_file(self, root):
        item = list(self.folder(root))[3]
        status = (root / "a/deep/x.jpg").stat()
        assert item == Item(
            key="a/deep/x.jpg",
            content=root / "a/deep/x.jpg",
            uri=(root / "a/deep/x.jpg").as_uri(),
            metadata={"folder": "a/deep", "name": "x.jpg", "bytes": 12},
            version=f"12-{status.st_mtime_ns}",
        )
        assert next(iter(self.folder(root))).metadata["folder"] == ""

    def test_content_is_absolute_and_a_changed_file_has_another_version(self, root, monkeypatch):
        monkeypatch.chdir(root.parent)
        before = next(iter(self.folder("root")))
        assert before.content == root / "a.txt"
        os.utime(root / "a.txt", ns=(1, 1))
        assert next(iter(self.folder("root"))).version != before.version

    def test_suffixes_match_without_case(self, root):
        write_file(root / "IMG_1.JPG", "")
        write_file(root / "a/Img_2.Jpg", "")
        assert list(read_contents(self.folder(root, include=["**/*.jpg"]))) == [
            "IMG_1.JPG",
            "a/Img_2.Jpg",
            "a/deep/x.jpg",
        ]
        assert "IMG_1.JPG" not in read_contents(self.folder(root, exclude=["**/*.jpg"]))

    @pytest.mark.parametrize(
        "name",
        [
            *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "~snapshot"),
            *("$RECYCLE.BIN", "RECYCLER", "System Volume Information", "lost+found", "__MACOSX", "@tmp"),
        ],
    )
    def test_folders_of_the_system_are_skipped_unless_wanted(self, root, name):
        before = list(read_contents(self.folder(root)))
        write_file(root / name / "a.jpg", "")
        write_file(root / "a" / name.lower() / "b/c.jpg", "")
        assert list(read_contents(self.folder(root))) == before
        assert self.folder(root).count() == len(before)
        wanted = self.folder(root, system_files=True)
        assert {f"{name}/a.jpg", f"a/{name.lower()}/b/c.jpg"} <= set(read_contents(wanted))

    @pytest.mark.parametrize("name", ["Thumbs.db", "thumbs.DB", "ehthumbs.db", "desktop.ini", "Desktop.ini"])
    def test_files_of_the_system_are_skipped_unless_wanted(self, root, name):
        write_file(root / "a" / name, "")
        assert f"a/{name}" not in read_contents(self.folder(root, include=["**/*", f"a/{name}"]))
        assert f"a/{name}" in read_contents(self.folder(root, system_files=True))

    def test_the_folder_itself_may_have_such_a_name(self, root):
        write_file(root / "lost+found/a.txt", "")
        assert list(read_contents(self.folder(root / "lost+found"))) == ["a.txt"]

    def test_size_and_time_alone_tell_a_change(self, root):
        before = next(iter(self.folder(root))).version
        status = (root / "a.txt").stat()
        write_file(root / "a.txt", "B.TXT")
        os.utime(root / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
        assert next(iter(self.folder(root))).version == before
        (root / "a.txt").touch()
        assert next(iter(self.folder(root))).version != before

    def test_include_and_exclude(self, root):
        assert list(read_contents(self.folder(root, include=["**/*.txt"], exclude=["a/2*"]))) == [
            "a.txt",
            "a/1.txt",
            "b.txt",
        ]
        assert list(read_contents(self.folder(root, exclude=["a"]))) == ["a.txt", "b.txt", "c d/é"]
        assert self.folder(root, include=["*.gif"]).count() == 0

    def test_links_to_folders_are_followed_without_cycles(self, root, tmp_path):
        write_file(tmp_path / "elsewhere/z.txt", "")
        (root / "link").symlink_to(tmp_path / "elsewhere")
        (root / "a/up").symlink_to(root)
        (tmp_path / "elsewhere/self").symlink_to(tmp_path / "elsewhere")
        keys = list(read_contents(self.folder(root)))
        assert len(keys) == 7 and "link/z.txt" in keys

    def test_what_cannot_be_read_is_a_failure_in_its_place(self, root):
        (root / "a/broken").symlink_to("nowhere")
        (root / "loop").symlink_to("loop")
        os.mkfifo(root / "pipe")
        write_file(root / os.fsdecode(b"bad\xff"), "")
        found = read_failures(self.folder(root))
        assert list(found) == ["a/broken", "bad\\udcff", "loop", "pipe"]
        assert found["a/broken"] == "the link leads nowhere, to nowhere"
        assert "not UTF-8" in found["bad\\udcff"]
        assert "neither a file nor a folder" in found["pipe"]
        assert len(list(self.folder(root))) == 10 == self.folder(root).count()

    def test_a_lost_folder_hides_items_and_a_file_that_cannot_be_read_does_not(self, root):
        """A link to a disk that is not mounted is met whatever ``include`` says, or all below it would be pruned."""
        (root / "disk").symlink_to("/no/such/disk")
        (root / "a/photo.txt").symlink_to("/no/such/photo.txt")
        (root / "a/current.log").symlink_to("/no/such/log")
        folder = self.folder(root, include=["**/*.txt"])
        failures = {entry.key: entry.hides_items for entry in folder if isinstance(entry, Failure)}
        assert failures == {"a/photo.txt": False, "disk": True}
        assert read_failures(folder)["disk"] == "the link leads nowhere, to /no/such/disk"
        assert read_failures(self.folder(root, include=["**/*.txt"], exclude=["disk", "a/photo.txt"])) == {}

    def test_denied_files_and_folders_are_failures(self, root, monkeypatch):
        scandir, access = os.scandir, os.access
        denied = PermissionError(13, "Permission denied")

        def refuse(path):
            if Path(path).name == "deep":
                raise denied
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "b.txt" and access(path, mode))
        found = read_failures(self.folder(root))
        assert list(found) == ["a/deep", "b.txt"]
        assert all("Permission denied" in message for message in found.values())
        assert len(list(self.folder(root))) == 6

    def test_the_folder_itself_must_be_readable(self, root, monkeypatch):
        for path, message in ((root / "none", "does not exist"), (root / "a.txt", "is not a folder")):
            with pytest.raises(SourceError, match=message) as caught:
                list(self.folder(path))
            assert caught.value.hint
            assert self.folder(path).count() is None

    def test_a_large_folder_is_not_counted(self, root, monkeypatch):
        monkeypatch.setattr(folder_module, "MAX_COUNT", 5)
        assert self.folder(root).count() is None

    def test_very_deep_folders(self, tmp_path):
        deep = tmp_path / "root"
        deep.mkdir()
        for _ in range(1200):
            deep = deep / "d"
            deep.mkdir()
        write_file(deep / "x", "")
        assert len(list(self.folder(tmp_path / "root"))) == 1
        subprocess.run(["rm", "-r", tmp_path / "root"], check=True)


def test_no_file_stays_open(tmp_path):
    for source in (make_table(tmp_path / "a.csv", "id,text\n1,a\n2,b\n"), make_lines(tmp_path / "a.txt", "a\nb\n")):
        iterator = iter(source)
        next(iterator)
        del iterator
        assert not [
            link for link in Path("/proc/self/fd").iterdir() if link.exists() and tmp_path in link.resolve().parents
        ]


class AnyEncoder:
    """A plugin, so that a config can name an encoder; peeking makes none."""

    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("any", "encoders:Hashed")


class TestPeek:
    @pytest.fixture
    def config(self, tmp_path: Path, monkeypatch) -> Path:
        manager = create_manager()
        manager.register(AnyEncoder(), "any")
        monkeypatch.setattr("vicinal.plugin.manager.create_manager", lambda: manager)
        write_file(tmp_path / "a.csv", f"id,text,label\n1,[red]CCO\n,CC\n2,{'C' * 500},x\n3,C,y\n")
        source = "{type: table, path: a.csv, key: id, content: text}"
        return write_file(tmp_path / "a.yaml", f"name: peeked\nsource: {source}\nencoder: {{type: any}}\n")

    def test_json_lines(self, config):
        done = CliRunner().invoke(peek, [str(config), "-n", "2", "--json"], catch_exceptions=False)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert rows == [
            {"key": "1", "content": "[red]CCO", "uri": "", "metadata": {}},
            {"key": "row 2", "failed": "read", "message": "row 2: its key in column 'id' is empty"},
            {"key": "2", "content": "C" * 199 + "…", "uri": "", "metadata": {"label": "x"}},
        ]

    def test_a_table(self, config):
        done = CliRunner().invoke(peek, [str(config)], catch_exceptions=False)
        assert "[red]CCO" in done.stdout and "cannot read" in done.stdout and '{"label":"y"}' in done.stdout

    def test_nothing_of_the_data_is_obeyed_or_fills_the_terminal(self, config):
        controls = "a\x1b[31m,\x07\x9b2J\u202eevil,\x1b]0;title\x07"
        long = f"{'k' * 900},{'long ' * 9000},{'m' * 9000}"
        write_file(config.with_name("a.csv"), f"id,text,label\n{controls}\n{long}\n")
        done = CliRunner().invoke(peek, [str(config)], catch_exceptions=False)
        assert not set(done.stdout) & set("\x1b\x07\x9b\u202e")
        assert "a\\x1b[31m" in done.stdout
        assert len(done.stdout.splitlines()) < 40

    def test_it_stops_at_the_limit_though_only_failures_come(self, config):
        write_file(config.with_name("a.csv"), "id,text\n" + ",x\n" * 50)
        done = CliRunner().invoke(peek, [str(config), "-n", "3", "--json"], catch_exceptions=False)
        assert len(done.stdout.splitlines()) == 3
