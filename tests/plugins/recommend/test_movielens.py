"""The source ``movielens``: films of each of MovieLens' formats, and what ``vicinal init`` makes of such a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from vicinal import Failure, Item, SourceError
from vicinal.testing import SourceContract
from vicinal_recommend.movielens import MovieLens
from vicinal_recommend.suggestion import suggest_solution

CSV = """movieId,title,genres
1,Toy Boat (1995),Adventure|Animation|Children
2,"Lake, The (1988)",Drama
3,Untitled,(no genres listed)
"""
DAT = "1::Toy Boat (1995)::Adventure|Animation|Children's\n2::Café Noir (1988)::Drama\n3::Lake::Comedy\n"
U_ITEM = "\n".join(
    [
        "1|Toy Boat (1995)|01-Jan-1995||http://x|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0|0",
        "2|Café Noir (1988)|01-Jan-1988||http://x|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0",
        "3|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0",
    ]
)


def make_source(path):
    return MovieLens(MovieLens.Params(path=path))


def describe(items):
    return [(item.key, item.content, dict(item.metadata)) for item in items]


class TestContract(SourceContract):
    def make_source(self, tmp_path: Path) -> MovieLens:
        (tmp_path / "movies.csv").write_text(CSV)
        return make_source(tmp_path)


def test_csv(tmp_path):
    (tmp_path / "movies.csv").write_text(CSV)
    boat = {"year": 1995, "genre": "Adventure", "genres": "Adventure, Animation, Children"}
    assert describe(make_source(tmp_path)) == [
        ("1", "Toy Boat (1995)", boat),
        ("2", "Lake, The (1988)", {"year": 1988, "genre": "Drama", "genres": "Drama"}),
        ("3", "Untitled", {"genre": "", "genres": ""}),
    ]
    assert describe(make_source(tmp_path / "movies.csv")) == describe(make_source(tmp_path))
    (tmp_path / "movies.csv").write_text(CSV.partition("\n")[2])
    assert [item.key for item in make_source(tmp_path)] == ["1", "2", "3"], "without a header"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["movies.csv", "movies.dat", "u.item"])
def test_a_title_may_have_characters_that_unicode_ends_a_line_with(tmp_path, name, end):
    title = "Line\u2028Next\x85Form\x0cPage (1995)"
    text = {"movies.csv": CSV, "movies.dat": DAT, "u.item": U_ITEM}[name].replace("Toy Boat (1995)", title)
    (tmp_path / name).write_bytes(text.replace("\n", end).encode())
    assert [item.key for item in make_source(tmp_path)] == ["1", "2", "3"]
    assert next(iter(make_source(tmp_path))).content == title


def test_a_title_in_quotes_may_have_two_lines(tmp_path):
    (tmp_path / "movies.csv").write_text(CSV.replace("Lake, The", "Lake,\nThe"))
    assert describe(make_source(tmp_path))[1] == (
        "2",
        "Lake,\nThe (1988)",
        {"year": 1988, "genre": "Drama", "genres": "Drama"},
    )


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_dat(tmp_path, encoding):
    (tmp_path / "movies.dat").write_bytes(DAT.encode(encoding))
    assert describe(make_source(tmp_path)) == [
        ("1", "Toy Boat (1995)", {"year": 1995, "genre": "Adventure", "genres": "Adventure, Animation, Children's"}),
        ("2", "Café Noir (1988)", {"year": 1988, "genre": "Drama", "genres": "Drama"}),
        ("3", "Lake", {"genre": "Comedy", "genres": "Comedy"}),
    ]


def test_u_item(tmp_path):
    (tmp_path / "u.item").write_bytes(U_ITEM.encode("latin-1"))
    boat = {"year": 1995, "genre": "Adventure", "genres": "Adventure, Animation, Children's"}
    assert describe(make_source(tmp_path)) == [
        ("1", "Toy Boat (1995)", boat),
        ("2", "Café Noir (1988)", {"year": 1988, "genre": "Drama", "genres": "Drama"}),
        ("3", "unknown", {"genre": "", "genres": ""}),
    ]


def test_a_row_with_other_columns_is_a_failure_of_that_film(tmp_path):
    (tmp_path / "movies.csv").write_text(CSV + "4,no genres\n,no id,Drama\n5,Last,Drama\n")
    entries = list(make_source(tmp_path))
    failures = [entry for entry in entries if isinstance(entry, Failure)]
    assert [(failure.key, failure.hides_items) for failure in failures] == [("4", False), ("row 6", True)]
    assert failures[0].message == "row 5 of movies.csv: it has 2 cells, not 3 (movieId, title, genres)"
    assert [entry.key for entry in entries if isinstance(entry, Item)] == ["1", "2", "3", "5"]


def test_a_quote_that_is_not_closed(tmp_path):
    films = "".join(f"{number},Film,Drama\n" for number in range(2, 20_000))
    (tmp_path / "movies.csv").write_text('1,"Toy Boat,Drama\n' + films)
    with pytest.raises(SourceError, match=r"movies\.csv cannot be read: field larger than field limit"):
        list(make_source(tmp_path))


def test_another_table_is_refused(tmp_path):
    (tmp_path / "films.csv").write_text(CSV)
    with pytest.raises(SourceError, match=r"films\.csv is none of movies\.csv, movies\.dat, u\.item"):
        list(make_source(tmp_path / "films.csv"))


@pytest.mark.parametrize(
    ("films", "ratings"), [("movies.csv", "ratings.csv"), ("movies.dat", "ratings.dat"), ("u.item", "u.data")]
)
def test_init_knows_a_folder_of_movielens(tmp_path, films, ratings):
    assert suggest_solution(tmp_path) is None
    (tmp_path / films).write_text("")
    assert suggest_solution(tmp_path) is None
    (tmp_path / ratings).write_text("")
    suggestion = suggest_solution(tmp_path)
    assert suggestion.source == {"type": "movielens", "path": str(tmp_path)}
    assert suggestion.encoder == {"type": "als", "interactions": {"path": str(tmp_path)}}
    assert suggestion.fields["genre"] == "varchar(64)"


def test_what_init_writes_can_be_searched(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from recommend_helpers import FILMS
    from vicinal import Solution
    from vicinal.cli.app import app

    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").symlink_to(FILMS)
    done = CliRunner().invoke(app, ["init", "films", "--name", "mine"])
    assert done.exit_code == 0, done.output
    assert str(tmp_path) not in Path("mine.yaml").read_text()
    with Solution.from_yaml("mine.yaml") as mine:
        assert mine.ingest().new == 360
        assert len(mine.search("user:7", limit=3)) == 3
