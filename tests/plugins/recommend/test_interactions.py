"""Interactions of every format, and what is odd in them: each is read, counted with its reason, or a clear error."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from scipy.sparse import csr_matrix

from recommend_helpers import fit, make_als
from vicinal import ItemError, SourceError
from vicinal_recommend.evaluation.log import read_log
from vicinal_recommend.histories import Histories, HistoryBuilder, InteractionMatrix
from vicinal_recommend.interactions import InteractionReader, InteractionTable

ROWS = [("ann", "1", "4"), ("ann", "2", "2"), ("bob", "2", "5"), ("bob", "3", "1")]
ITEMS = ("1", "2", "3", "4")
NAMED = {"user": "who", "item": "what", "weight": "stars"}


def read(path, items=ITEMS, **table):
    """The matrix as a dictionary of users to their items' weights, and the refused interactions."""
    block = InteractionTable.model_validate({"path": path, **table})
    reader, builder = InteractionReader(block), HistoryBuilder(items, block.min_weight)
    for chunk in reader:
        builder.add(chunk)
    matrix = builder.build()
    weights = matrix.weights.toarray()
    found = {
        user: {matrix.items[item]: float(weights[row, item]) for item in np.flatnonzero(weights[row])}
        for row, user in enumerate(matrix.users)
    }
    return found, dict(builder.refused) | ({"malformed": reader.malformed} if reader.malformed else {})


def write_csv(path, rows=ROWS, header="who,what,stars"):
    path.write_text("\n".join([header, *map(",".join, rows)]) + "\n")
    return path


EXPECTED = {"ann": {"1": 4 / 3, "2": 2 / 3}, "bob": {"2": 5 / 3, "3": 1 / 3}}
"""The mean weight is 3."""


def is_expected(found):
    assert {user: pytest.approx(items) for user, items in found.items()} == EXPECTED


class TestFormats:
    def test_csv_tsv_and_gzip(self, tmp_path):
        path = write_csv(tmp_path / "log.csv")
        is_expected(read(path, **NAMED)[0])
        text = path.read_text()
        (tmp_path / "log.tsv").write_text(text.replace(",", "\t"))
        is_expected(read(tmp_path / "log.tsv", **NAMED)[0])
        (tmp_path / "semicolons.csv").write_text(text.replace(",", ";"))
        is_expected(read(tmp_path / "semicolons.csv", delimiter=";", **NAMED)[0])
        (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.encode()))
        is_expected(read(tmp_path / "log.csv.gz", **NAMED)[0])
        (tmp_path / "quoted.csv").write_text(
            '"who","what","stars"\n' + "\n".join(f'"{u}","{i}","{w}"' for u, i, w in ROWS)
        )
        is_expected(read(tmp_path / "quoted.csv", **NAMED)[0])
        (tmp_path / "marked.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
        is_expected(read(tmp_path / "marked.csv", **NAMED)[0])

    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("blank", [[0], [1], [0, 0, 2, 2], [3, 6]])
    def test_blank_lines_are_passed_over(self, tmp_path, blank, end):
        lines = write_csv(tmp_path / "log.csv").read_text().splitlines()
        for place in blank:
            lines.insert(place, "")
        (tmp_path / "log.csv").write_bytes(end.join(lines).encode())
        found, refused = read(tmp_path / "log.csv", **NAMED)
        is_expected(found)
        assert refused == {}

    def test_without_a_header(self, tmp_path):
        path = tmp_path / "log.csv"
        path.write_text("\n".join(map(",".join, ROWS)))
        columns = {"user": "column 1", "item": "column 2", "weight": "column 3"}
        is_expected(read(path, header=False, **columns)[0])
        with pytest.raises(SourceError, match="has no column 'who'; its columns are 'ann', '1', '4'") as raised:
            read(path, **NAMED)
        assert "header: false" in raised.value.hint

    @pytest.mark.parametrize("kind", ["numbers", "texts", "floats"])
    def test_parquet(self, tmp_path, kind):
        ids = {"numbers": [1, 2, 2, 3], "texts": ["1", "2", "2", "3"], "floats": [1.0, 2.0, 2.0, 3.0]}[kind]
        columns = {"who": ["ann", "ann", "bob", "bob"], "what": ids, "stars": [4, 2, 5, 1]}
        pq.write_table(pa.table(columns), tmp_path / "log.parquet")
        is_expected(read(tmp_path / "log.parquet", **NAMED)[0])

    def test_jsonl(self, tmp_path):
        lines = [json.dumps({"who": user, "what": int(item), "stars": int(stars)}) for user, item, stars in ROWS]
        (tmp_path / "log.jsonl").write_text("\n".join([*lines, "", "{broken", "[1]"]))
        found, refused = read(tmp_path / "log.jsonl", **NAMED)
        is_expected(found)
        assert refused == {"malformed": 2}

    @pytest.mark.parametrize("user", [2**64, -(2**63) - 1, 12345678901234567890123, 2**64 - 1, -(2**63)])
    def test_integers_of_jsonl_keep_their_digits(self, tmp_path, user):
        (tmp_path / "log.jsonl").write_text(json.dumps({"who": user, "what": 1, "stars": 3}))
        assert read(tmp_path / "log.jsonl", **NAMED)[0] == {str(user): {"1": 1.0}}

    def test_floats_beyond_int64_stay_apart(self, tmp_path):
        columns = {"who": [1e20, 1e30], "what": ["1", "2"], "stars": [3, 3]}
        pq.write_table(pa.table(columns), tmp_path / "log.parquet")
        assert read(tmp_path / "log.parquet", **NAMED)[0] == {"1e+20": {"1": 1.0}, "1e+30": {"2": 1.0}}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("ratings.csv", "userId,movieId,rating,timestamp\nann,1,4,9\nann,2,2,9\nbob,2,5,9\nbob,3,1,9\n"),
            ("ratings.dat", "ann::1::4::9\nann::2::2::9\nbob::2::5::9\nbob::3::1::9\n"),
            ("u.data", "ann\t1\t4\t9\nann\t2\t2\t9\nbob\t2\t5\t9\nbob\t3\t1\t9\n"),
        ],
    )
    def test_movielens(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        assert read(tmp_path)[0] == {"ann": {"1": 1, "2": 1}, "bob": {"2": 1, "3": 1}}, "each rating counts alike"
        is_expected(read(tmp_path / name, weight="rating")[0])
        assert set(read(tmp_path, weight="rating", min_weight=4)[0]["bob"]) == {"2"}

    def test_times_are_numbers_or_iso(self, tmp_path):
        rows = [("ann", "1", "100"), ("ann", "2", "1970-01-01T00:01:40+00:00"), ("bob", "2", "soon")]
        table = InteractionTable(path=write_csv(tmp_path / "log.csv", rows), user="who", item="what", time="stars")
        (chunk,) = InteractionReader(table, with_times=True)
        assert chunk.times.tolist()[:2] == [100.0, 100.0]
        assert np.isnan(chunk.times[2])
        (chunk,) = InteractionReader(table)
        assert chunk.times is None


class TestOddRows:
    def test_what_a_user_did_twice_adds_up(self, tmp_path):
        path = write_csv(tmp_path / "log.csv", [("ann", "1", "1"), ("ann", "1", "1"), ("ann", "2", "1")])
        assert read(path, **NAMED)[0] == {"ann": {"1": 2.0, "2": 1.0}}

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            (("ann", "9", "3"), "with an item that the source does not have"),
            (("ann", "", "3"), "with an item that the source does not have"),
            (("", "1", "3"), "without a user"),
            (("ann", "1", ""), "whose weight is no number"),
            (("ann", "1", "NaN"), "whose weight is no number"),
            (("ann", "1", "inf"), "whose weight is no number"),
            (("ann", "1", "many"), "whose weight is no number"),
            (("ann", "1", "-2"), "whose weight is not above 0"),
            (("ann", "1", "0"), "whose weight is not above 0"),
            (("ann", "1", "1e39"), "whose weight float32 cannot hold"),
            (("ann", "1", "1e-50"), "whose weight float32 cannot hold"),
            (("ann", "1"), "malformed"),
            (("ann", "1", "3", "4"), "malformed"),
        ],
    )
    def test_one_that_cannot_be_used_is_counted(self, tmp_path, row, reason):
        found, refused = read(write_csv(tmp_path / "log.csv", [*ROWS, row, row]), **NAMED)
        is_expected(found)
        assert refused == {reason: 2}

    def test_a_weight_far_below_the_mean_is_still_one(self, tmp_path):
        found, refused = read(write_csv(tmp_path / "log.csv", [("ann", "1", "3e38"), ("bob", "2", "1e-40")]), **NAMED)
        assert (set(found["bob"]), refused) == ({"2"}, {})

    def test_bytes_that_are_not_utf8_are_an_id_that_there_is_not(self, tmp_path):
        path = write_csv(tmp_path / "log.csv")
        path.write_bytes(path.read_bytes() + b"J\xfcrgen,1,3\nann,\xff,3\n")
        found, refused = read(path, **NAMED)
        is_expected(found)
        assert refused == {"without a user": 1, "with an item that the source does not have": 1}
        assert "Jürgen" in read(path, encoding="latin-1", **NAMED)[0]

    def test_a_key_with_spaces_around_it_is_found_as_it_is_first(self, tmp_path):
        path = write_csv(tmp_path / "log.csv", [(" ann", " 1 ", "1"), ("ann ", " 2 ", "1"), ("ann", "   ", "1")])
        found, refused = read(path, items=(" 1 ", "1", "2"), **NAMED)
        assert found == {"ann": {" 1 ": 1.0, "2": 1.0}}
        assert refused == {"with an item that the source does not have": 1}
        log, users = read_log(InteractionTable(path=path, **NAMED), [" 1 ", "1", "2"])
        assert (users, log.items.tolist()) == (["ann"], [0, 2])

    def test_a_user_without_a_known_item_is_none(self, tmp_path):
        found, _ = read(write_csv(tmp_path / "log.csv", [*ROWS, ("cid", "9", "3")]), **NAMED)
        assert "cid" not in found

    def test_the_note_says_what_was_left_out(self, tmp_path):
        rows = [*ROWS, ("ann", "9", "3"), ("ann", "1", ""), ("bob", "1", ""), ("cid", "1")]
        path = write_csv(tmp_path / "log.csv", rows)
        encoder = fit(make_als(path, NAMED, factors=2, regularization=0.01), ITEMS)
        assert encoder.fit_note == (
            "4 interactions were left out: 2 whose weight is no number,"
            " 1 with an item that the source does not have, 1 that cannot be read"
        )


class TestErrors:
    def test_none_with_a_known_item(self, tmp_path):
        path = write_csv(tmp_path / "log.csv", [("ann", "tt1", "3")])
        with pytest.raises(ItemError, match="no interaction can be used: 1 with an item that") as raised:
            read(path, **NAMED)
        assert raised.value.hint == "its items are called as 'tt1', the source's keys as '1'"

    def test_no_row_at_all(self, tmp_path):
        with pytest.raises(ItemError, match="no interaction can be used: there is none"):
            read(write_csv(tmp_path / "log.csv", []), **NAMED)

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "log.csv").touch()
        with pytest.raises(SourceError, match=r"log\.csv is empty"):
            read(tmp_path / "log.csv", **NAMED)

    def test_a_missing_file(self, tmp_path):
        for name in ("log.csv", "log.jsonl", "log.parquet", "log.csv.gz"):
            with pytest.raises(SourceError, match="does not exist"):
                read(tmp_path / name, **NAMED)

    def test_a_folder_without_ratings(self, tmp_path):
        with pytest.raises(SourceError, match=r"ratings\.csv does not exist"):
            read(tmp_path)

    @pytest.mark.parametrize("name", ["log.csv", "log.csv.gz"])
    @pytest.mark.parametrize("given", ["utf-8", "cp1252"])
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
    def test_another_encoding(self, tmp_path, name, given, encoding):
        encoded = write_csv(tmp_path / name).read_text().encode(encoding)
        (tmp_path / name).write_bytes(gzip.compress(encoded) if name.endswith("gz") else encoded)
        with pytest.raises(SourceError, match=f"seems to be {encoding.upper()}, not {given.upper()}") as raised:
            read(tmp_path / name, encoding=given, **NAMED)
        assert raised.value.hint == f"write `encoding: {encoding}` in `interactions`"
        is_expected(read(tmp_path / name, encoding=encoding, **NAMED)[0])

    def test_a_gzip_file_that_breaks_off(self, tmp_path):
        rows = [(f"user {number}", str(number % 4), "3") for number in range(20_000)]
        text = write_csv(tmp_path / "log.csv", rows).read_bytes()
        (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text)[:-2000])
        with pytest.raises(SourceError, match=r"log\.csv\.gz cannot be read") as raised:
            read(tmp_path / "log.csv.gz", **NAMED)
        assert raised.value.hint.startswith("the file is damaged")

    @pytest.mark.parametrize("name", ["log.csv.gz", "log.jsonl.gz", "log.parquet"])
    def test_a_file_of_another_format_than_its_name(self, tmp_path, name):
        with pytest.raises(SourceError, match="cannot be read: ") as raised:
            read(write_csv(tmp_path / name), **NAMED)
        assert raised.value.hint.endswith("or its name ends as another format's: copy it again, or rename it")

    def test_bytes_that_the_encoding_does_not_have(self, tmp_path):
        path = write_csv(tmp_path / "log.csv")
        path.write_bytes(path.read_bytes() + b"J\x81rgen,1,3\n")
        with pytest.raises(SourceError, match="cannot be read: ") as raised:
            read(path, encoding="cp1252", **NAMED)
        assert raised.value.hint == "correct `interactions.encoding`"

    @pytest.mark.parametrize(
        ("name", "column"),
        [
            *((name, pa.array([value])) for name in ("who", "what", "stars") for value in ([1], {"a": 1})),
            ("who", pa.array([np.float16(1)])),
            ("stars", pa.array([1], pa.duration("s"))),
        ],
    )
    def test_a_column_of_neither_texts_nor_numbers(self, tmp_path, name, column):
        columns = {"who": ["ann"], "what": ["1"], "stars": [4.0], name: column}
        pq.write_table(pa.table(columns), tmp_path / "log.parquet")
        with pytest.raises(SourceError, match=f"the column '{name}', of type .* cannot be read") as raised:
            read(tmp_path / "log.parquet", **NAMED)
        assert "name another column" in raised.value.hint

    @pytest.mark.parametrize("row", [("ann", '"1', "3"), ("ann", "1", '"3'), ('"ann', "1", "3")])
    def test_a_quote_that_is_not_closed(self, tmp_path, row):
        path = write_csv(tmp_path / "log.csv", [*ROWS, row, ("bob", "2", "3"), ("cid", "3", "3")])
        with pytest.raises(SourceError, match=r"a quote that is not closed, before '"):
            read(path, **NAMED)

    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    def test_an_id_of_two_lines(self, tmp_path, encoding):
        path = write_csv(tmp_path / "log.csv", [*ROWS, ('"cid\nthe second"', "2", "3")])
        with pytest.raises(SourceError, match=r"log\.csv has a cell of more than one line: 'cid\\nthe second'"):
            read(path, encoding=encoding, **NAMED)

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            ({"path": "log.csv"}, "name the columns of log.csv: `user` and `item`"),
            ({"path": "log.csv", "user": "who"}, "name the columns of log.csv: `item`"),
            ({"path": "log.xlsx", "user": "who", "item": "what"}, "log.xlsx is none of .csv"),
            ({"path": "ratings.csv", "min_weight": 4}, "min_weight needs `weight`"),
            ({"path": "ratings.csv", "encoding": "utf-9"}, "'utf-9' is not an encoding"),
        ],
    )
    def test_a_block_that_cannot_be_right(self, table, message):
        with pytest.raises(ValidationError, match=message.replace("`", ".")):
            InteractionTable.model_validate(table)


class TestPacking:
    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("odd", [1e5, 1e-9])
    def test_weights_that_float16_does_not_hold_come_back(self, odd):
        weights = np.append(np.linspace(0.5, 1.5, 300, dtype=np.float32), np.float32(odd))
        matrix = InteractionMatrix(["ann"], list(map(str, range(301))), csr_matrix(weights))
        assert Histories.pack(matrix).get(0)[1] == pytest.approx(weights, rel=1e-6, abs=0)

    @pytest.mark.parametrize(("count", "dtype"), [(1, "empty"), (5, "uint8"), (1000, "float16")])
    def test_histories_come_back_as_they_were(self, tmp_path, count, dtype):
        random = np.random.default_rng(1)
        stars = 1 + random.integers(0, count, 3000)
        rows = [(f"u{n // 10}", str(n % 50), str(weight)) for n, weight in enumerate(stars)]
        path = write_csv(tmp_path / "log.csv", rows)
        block = InteractionTable(path=path, **NAMED)
        builder = HistoryBuilder([str(number) for number in range(50)])
        for chunk in InteractionReader(block):
            builder.add(chunk)
        matrix = builder.build()
        state = Histories.pack(matrix).to_state()
        assert (state["history_weights"].dtype.name if len(state["history_weights"]) else "empty") == dtype
        assert state["history_items"].dtype == np.uint16
        histories = Histories.from_state(state)
        for row, user in enumerate(matrix.users):
            assert histories.users.find(user) == row
            items, weights = histories.get(row)
            assert items.tolist() == matrix.weights[row].indices.tolist()
            assert weights == pytest.approx(matrix.weights[row].data, rel=1e-3)
        assert histories.users.find("u") is None
        assert histories.users.find("u999999") is None
