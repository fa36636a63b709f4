"""What `validate`, `schema`, `plugins` and `doctor` report of files and of what is installed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest


def test_validate_reports_every_file(cli, small_yaml, tmp_path):
    Path("b.yaml").write_text("name: b\nsource: {type: lines, path: x}\nencoder: {type: morgan, bits: 12}\n")
    wrong = "b.yaml:3:25: encoder.bits: input should be a multiple of 8, not 12"
    missing = "cannot read c.yaml: No such file or directory"
    assert cli("validate", small_yaml) == "things.yaml: ok\n"
    assert cli("validate", small_yaml, "b.yaml", "c.yaml", code=3).splitlines() == ["things.yaml: ok", wrong, missing]
    assert cli.json("validate", small_yaml, "b.yaml", "c.yaml", code=3) == [
        {"file": "things.yaml", "ok": True, "problems": [], "warnings": []},
        {"file": "b.yaml", "ok": False, "problems": [wrong], "warnings": []},
        {"file": "c.yaml", "ok": False, "problems": [missing], "warnings": []},
    ]


class TestValidateWarnsOfEqualNames:
    @pytest.fixture
    def write(self):
        """Writes a YAML file with a name and stores, and gives its path."""

        def write(path, name="things", **stores):
            file = Path(path)
            file.parent.mkdir(exist_ok=True)
            block = ", ".join(f"{key}: '{value}'" for key, value in stores.items())
            file.write_text(
                f"name: {name}\nsource: {{type: lines, path: x}}\nencoder: {{type: morgan}}\nstores: {{{block}}}\n"
            )
            return file

        return write

    def warnings(self, cli, *files):
        """What validate prints on stderr; JSON has the same for each of the files that a warning is about."""
        printed = cli("validate", *files)
        assert printed == "".join(f"{file}: ok\n" for file in files)
        warnings = [line.removeprefix("warning: ") for line in cli.err.splitlines()]
        found = cli.json("validate", *files)
        assert [each["warnings"] for each in found] == [
            [warning for warning in warnings if str(each["file"]) in warning.partition(" are ")[0].split(" and ")]
            for each in found
        ]
        return warnings

    def test_two_files_in_one_folder(self, cli, write):
        first, second = write("a.yaml"), write("b.yaml")
        assert self.warnings(cli, first, second) == [
            "a.yaml and b.yaml are both named 'things' and have the same Milvus and Redis:"
            " each would overwrite the other's items; give one of them another name"
        ]
        write("b.yaml", milvus="other.db", redis="other")
        assert self.warnings(cli, first, second) == [
            "a.yaml and b.yaml are both named 'things' in one folder; give one of them another name"
        ]
        write("b.yaml", name="others")
        assert self.warnings(cli, first, second) == []
        assert self.warnings(cli, first) == []

    def test_two_folders_with_one_redis_or_milvus(self, cli, write):
        first, second = write("one/a.yaml"), write("two/a.yaml")
        assert self.warnings(cli, first, second) == []
        for stores, other, shared in (
            ({"redis": "redis://localhost"}, {"redis": "redis://127.0.0.1:6379/0"}, "Redis"),
            ({"milvus": "http://Host:19530"}, {"milvus": "http://host:19530/"}, "Milvus"),
            ({"redis": "../redis"}, {"redis": "../redis/"}, "Redis"),
            ({"redis": "redis+sentinel://b,a:26379/main"}, {"redis": "redis+sentinel://A,b/main/0"}, "Redis"),
            ({"redis": "redis+cluster://a,b/0"}, {"redis": "redis+cluster://b:6379,a"}, "Redis"),
        ):
            write("one/a.yaml", **stores)
            write("two/a.yaml", **other)
            assert self.warnings(cli, first, second) == [
                f"one/a.yaml and two/a.yaml are both named 'things' and have the same {shared}:"
                " each would overwrite the other's items; give one of them another name"
            ]
        write("one/a.yaml", redis="redis://localhost/0")
        write("two/a.yaml", redis="redis://localhost/1")
        assert self.warnings(cli, first, second) == []

    def test_passwords_are_not_part_of_the_comparison(self, cli, write, monkeypatch):
        monkeypatch.setenv("WITH", "redis://ada:hunter2@host:6379/0")
        first, second = write("one/a.yaml", redis="${WITH}"), write("two/a.yaml", redis="redis://host/")
        (warning,) = self.warnings(cli, first, second)
        assert "the same Redis" in warning
        assert "hunter2" not in warning


def test_schema_is_the_same_with_and_without_json(cli):
    schema = cli.json("schema")
    assert schema["required"] == ["name", "source", "encoder"]
    assert json.loads(cli("schema")) == schema
    assert cli.json("schema", "--bench")["required"] == ["name", "data", "indexes"]


def test_plugins(cli):
    found = {row["name"]: row for row in cli.json("plugins")}
    assert found["files"]["sources"] == ["folder", "lines", "table"]
    assert found["molecule"] == {
        "name": "molecule", "distribution": "vicinal", "version": found["files"]["version"],
        "sources": ["molecules"], "encoders": ["fingerprint", "morgan"], "rerankers": [],
        "item_filters": ["substructure"], "commands": [],
        "hooks": ["register_encoders", "register_item_filters", "register_sources", "suggest_solution"],
        "status": "ok", "reason": "", "hint": "",
    }  # fmt: skip
    printed = cli("plugins")
    assert re.search(r"molecule +vicinal +\S+ +molecules, fingerprint,.* ok", printed)
    assert re.search(r"item filter +substructure +molecules that contain", printed)
    assert re.search(r"encoder +morgan +Morgan fingerprints of molecules", printed)


def test_plugins_lists_commands_and_hooks_beside_types(cli):
    found = {row["name"]: row for row in cli.json("plugins")}
    assert found["files"]["commands"] == ["peek"]
    assert found["log"]["hooks"] == [
        "configure", "ingest_failed", "ingest_finished", "ingest_started", "item_failed", "register_settings",
        "search_finished",
    ]  # fmt: skip
    lines = [" ".join(line.split()) for line in cli("plugins").splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("files vicinal"))
    assert lines[start].endswith("folder, lines, table ok")
    assert lines[start + 1 : start + 3] == ["vicinal peek", "suggest_solution"]
    assert "command peek Show the first items that the source of FILE yields" in " ".join(lines)


def test_plugins_of_a_stranger(vicinal, slowpoke):
    row = next(row for row in json.loads(vicinal("plugins", "--json").stdout) if row["name"] == "slowpoke")
    assert (row["encoders"], row["status"]) == (["absent", "slow"], "incomplete")
    assert (row["reason"], row["hint"]) == ("absent needs nobody_has_this", 'pip install "slowpoke[absent]"')


class TestDoctor:
    @pytest.mark.all_encoders
    def test_it_looks_at_what_is_installed_and_at_the_stores(self, cli, molecules_yaml, rows):
        found = cli.json("doctor", molecules_yaml)
        assert [list(finding) for finding in found] == [["what", "status", "detail", "hint"]] * len(found)
        details = {finding["what"]: finding["detail"] for finding in found}
        lacking = {finding["what"]: finding for finding in found if finding["status"] != "ok"}
        assert {finding["status"] for finding in lacking.values()} <= {"missing"}
        assert {what.partition(" ")[0] for what in lacking} <= {"encoder"}  # whose weights must be fetched first
        assert {"encoder efficientnet_lite0", "encoder morgan", "encoder sentence"}.isdisjoint(lacking)
        if "encoder resnet18" in lacking:
            assert "doctor fetches nothing" in lacking["encoder resnet18"]["detail"]
            assert "efficientnet_lite0" in lacking["encoder resnet18"]["hint"]
        assert details["encoder morgan"].startswith("2048-d binary, morgan/")
        assert details["encoder clip"] == "needs model"
        assert details["molecules: encoder"] == details["encoder morgan"]
        assert details["molecules: Milvus"].endswith(str(Path(".vicinal/molecules/milvus.db").resolve()))
        assert details["molecules: items"] == f"{len(rows):,}"

    @pytest.mark.all_encoders
    def test_it_fits_a_terminal(self, cli, monkeypatch, tmp_path):
        """Encoders without a solution are two lines; the one of a solution tells all that there is to tell."""
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        (tmp_path / "pictures").mkdir()
        yaml = tmp_path / "pictures.yaml"
        yaml.write_text("name: pictures\nsource: {type: folder, path: pictures}\nencoder: {type: resnet18}\n")
        printed = cli("doctor", yaml)
        assert max(map(len, printed.splitlines())) <= 80
        assert re.search(r"ok +pymilvus +\d", printed)
        said = " ".join(printed.split())
        assert (
            "ok encoders als (needs interactions), clip (needs model), efficientnet_lite0, fingerprint, keyframes,"
            " librosa, melstats, morgan, sentence, timm (needs model), torchaudio (needs bundle),"
            " torchvision (needs model)" in said
        )
        assert re.search(
            r"missing encoders clap, (\w*resne\w+, )+\w*resne\w+; their weights must be fetched first", said
        )
        assert said.count("resnet18-f37072fd.pth") == 1
        assert "missing pictures: encoder the weights resnet18-f37072fd.pth were not found locally" in said

    def test_what_is_wrong_is_a_finding_and_an_exit_code(self, cli, small_yaml, monkeypatch):
        monkeypatch.setenv("REDIS_URL", "redis://ada:hunter2@127.0.0.1:1/0")
        printed = cli("doctor", small_yaml, "nothing.yaml", "--json", code=1)
        failed = {finding["what"]: finding for finding in json.loads(printed) if finding["status"] == "failed"}
        assert list(failed) == ["things: Redis", "things: items", "nothing.yaml"]
        assert failed["things: Redis"]["hint"] == "start it, or set REDIS_URL; run `vicinal doctor` to diagnose"
        assert failed["nothing.yaml"]["detail"] == "cannot read nothing.yaml: No such file or directory"
        assert "hunter2" not in printed

    @pytest.mark.all_encoders
    def test_a_reranker_stands_behind_the_encoder(self, cli, tmp_path, monkeypatch):
        """One that reads texts has ordered one, for which it loads its model."""
        from tiny_cross_encoder import save_tiny_cross_encoder  # needs torch

        (tmp_path / "texts.csv").write_text("id,text\na,one\nb,two\n")
        yaml = tmp_path / "texts.yaml"

        def find_reranker(block):
            source = "{type: table, path: texts.csv, key: id, content: text}"
            yaml.write_text(f"name: texts\nsource: {source}\nencoder: {{type: sentence}}\nrerank: {block}\n")
            found = [finding for finding in cli.json("doctor", yaml) if finding["what"].startswith("texts: ")]
            assert [finding["what"] for finding in found[:2]] == ["texts: encoder", "texts: reranker"]
            return found[1]["status"], found[1]["detail"], found[1]["hint"]

        assert find_reranker("{type: keywords}") == ("ok", "keywords", "")
        status, detail, hint = find_reranker("{type: cross_encoder, model: /nonexistent/model}")
        assert status == "missing"
        assert detail == "/nonexistent/model is not the folder of a model: there is no such folder"
        assert hint
        assert find_reranker("{type: cross_encoder, model: nobody/nothing}")[0] == "missing"
        model = save_tiny_cross_encoder(tmp_path / "tiny")
        assert find_reranker(f"{{type: cross_encoder, model: '{model}'}}") == ("ok", "cross_encoder", "")
        monkeypatch.setitem(sys.modules, "sentence_transformers", None)
        status, detail, hint = find_reranker(f"{{type: cross_encoder, model: '{model}'}}")
        assert (status, hint) == ("missing", 'pip install "vicinal[text]"')
        assert "sentence_transformers" in detail

    def test_a_strangers_encoder_that_fails_is_a_finding(self, vicinal, slowpoke):
        plugin = Path("site/slowpoke.py")
        plugin.write_text(plugin.read_text().replace("space = Space(4)", "space = property(lambda self: 1 / 0)"))
        found = json.loads(vicinal("doctor", "--json", code=1).stdout)
        assert [f for f in found if f["status"] not in ("ok", "missing")] == [
            {"what": "encoder slow", "status": "failed", "detail": "ZeroDivisionError: division by zero", "hint": ""}
        ]
