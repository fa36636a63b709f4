"""The sample solutions are written into any folder, and nothing that is there is changed."""

from __future__ import annotations

from vicinal import Solution, write_samples
from vicinal.solution.samples import find_samples


def test_samples_are_solutions_that_work(tmp_path):
    folder = write_samples(tmp_path / "new" / "folder")
    assert folder == tmp_path / "new" / "folder"
    with Solution.from_yaml(folder / "molecule.yaml") as molecules:
        assert molecules.ingest(limit=5).new == 5


def test_all_yaml_files_and_all_data_are_written_and_no_store(tmp_path):
    write_samples(str(tmp_path))
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    solutions = {path.name for path in find_samples().glob("*.yaml") if not path.name.startswith("bench-")}
    assert solutions | {"data/molecules.csv", "data/qa.csv"} <= written
    assert not any(name.startswith("bench-") for name in written)
    assert all(name.startswith("data/") or name.endswith(".yaml") for name in written)


def test_of_the_yaml_files_those_are_written_that_are_named(tmp_path):
    write_samples(tmp_path, ["qa.yaml"])
    assert [path.name for path in tmp_path.glob("*.yaml")] == ["qa.yaml"]
    assert (tmp_path / "data" / "molecules.csv").is_file()


def test_a_file_that_exists_stays(tmp_path):
    (tmp_path / "qa.yaml").write_text("mine")
    write_samples(tmp_path)
    assert (tmp_path / "qa.yaml").read_text() == "mine"
