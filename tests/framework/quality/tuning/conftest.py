"""A solution of 5,000 random vectors on Milvus Lite, which tuning leaves as it is: all tests of a module share it."""

import pytest

import encoders
from vicinal import Solution, create_manager


@pytest.fixture(scope="module")
def plugins():
    made = create_manager()
    made.register(encoders, "tests")
    return made


@pytest.fixture(scope="module")
def yaml_path(tmp_path_factory, plugins):
    folder = tmp_path_factory.mktemp("tuned")
    rows = "".join(f"k{number},text {number},{2000 + number % 10}\n" for number in range(5_000))
    (folder / "items.csv").write_text("key,text,year\n" + rows)
    path = folder / "things.yaml"
    path.write_text(
        "name: things\nsource: {type: table, path: items.csv, key: key, content: text}\n"
        "encoder: {type: hashed}\nfields: {year: int64}\n"
    )
    with Solution.from_yaml(path, manager=plugins) as solution:
        solution.ingest()
    return path


@pytest.fixture
def solution(yaml_path, plugins):
    with Solution.from_yaml(yaml_path, manager=plugins) as solution:
        yield solution
