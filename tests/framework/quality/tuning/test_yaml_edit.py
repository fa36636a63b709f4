"""Writing the choice into a YAML file: its keys change, and nothing else, whatever the file looks like."""

import pytest
import yaml

from vicinal import VicinalError
from vicinal.quality.tuning.yaml_edit import require_editable, write_index

CHOICE = {
    "type": "HNSW",
    "params": {"M": 16},
    "search": {"ef": 40},
    "tuned": {"date": "2026-11-26", "recall": 0.96, "low": 0.951, "target": 0.95, "limit": 10, "rows": 7},
}
WRITTEN = """\
index:
  type: HNSW
  params: {M: 16}
  search: {ef: 40}
  tuned: {date: '2026-11-26', recall: 0.96, low: 0.951, target: 0.95, limit: 10, rows: 7}
"""
HEAD = """\
# what we search
name:   things     # a name
source: {type: table,  path: items.csv,
         key: key}
encoder:
    # odd, and ours
    type:    hashed
"""
TAIL = """
fields:
- not
-   a real one
stores: {milvus: "${MILVUS_URI}"}   # from outside
# the end
"""


@pytest.fixture
def edited(tmp_path):
    def edit(text, choice=CHOICE):
        path = tmp_path / "a.yaml"
        path.write_bytes(text.encode())
        write_index(path, choice)
        return path.read_bytes().decode()

    return edit


@pytest.mark.parametrize(
    "index",
    [
        "index: auto\n",
        "index: IVF_FLAT\n",
        "index: {type: IVF_SQ8, params: {nlist: 2048}, search: {nprobe: 32}}\n",
        "index: {type: IVF_SQ8,\n   params: {nlist: 2048}}\n",
        "index:\n  type: IVF_SQ8\n  search: {nprobe: 8}\n",
        "index:\n  type: IVF_SQ8\n  params:\n    nlist: 2048\n  tuned: {recall: 0.9, low: 0.9, limit: 1}\n",
        "index:\n",
    ],
)
def test_an_index_is_replaced_and_the_rest_is_the_same_to_the_byte(edited, index):
    assert edited(HEAD + index + TAIL) == HEAD + WRITTEN + TAIL


def test_a_file_without_an_index_gets_one_at_its_end(edited):
    assert edited(HEAD) == HEAD + WRITTEN
    assert edited(HEAD.rstrip("\n")) == HEAD + WRITTEN


def test_what_the_choice_does_not_say_stays_where_it_is(edited):
    index = "index:\n  # why L2: the encoder was trained so\n  metric: L2  # squared\n  type: IVF_FLAT\n\n  # cells\n"
    found = edited(HEAD + index + "  params: {nlist: 64}  # few\n" + TAIL)

    assert found.startswith(HEAD) and found.endswith(TAIL)
    for comment in ("# why L2: the encoder was trained so", "# squared", "# cells"):
        assert comment in found
    assert yaml.safe_load(found)["index"] == {"metric": "L2", **CHOICE}


def test_the_metric_of_a_block_in_braces_stays(edited):
    found = edited(HEAD + "index: {type: IVF_FLAT, metric: L2}  # ours\n" + TAIL)

    assert yaml.safe_load(found)["index"] == {"metric": "L2", **CHOICE}
    assert "# ours" in found


def test_parameters_that_the_new_index_does_not_have_go(edited):
    index = "index:\n  type: IVF_FLAT\n  params: {nlist: 64}\n  search: {nprobe: 8}\n"

    found = edited(HEAD + index + TAIL, {"type": "FLAT", "tuned": {"recall": 1.0}})

    assert yaml.safe_load(found)["index"] == {"type": "FLAT", "tuned": {"recall": 1.0}}


@pytest.mark.parametrize(
    "text",
    [
        "{name: things, source: {type: table}, index: {type: FLAT}}\n",
        "---\nname: things\nindex: FLAT\n",
        "name: things\nbase: &base {type: FLAT}\nindex: *base\n",
    ],
)
def test_a_file_that_has_no_lines_for_its_index_keeps_its_values(edited, text):
    before = yaml.safe_load(text)

    found = yaml.safe_load(edited(text))

    assert found == {**before, "index": CHOICE}


def test_windows_line_ends_stay(edited):
    text = (HEAD + "index: auto\n" + TAIL).replace("\n", "\r\n")

    assert edited(text) == (HEAD + WRITTEN + TAIL).replace("\n", "\r\n")


def test_permissions_stay_and_a_link_stays_a_link(tmp_path):
    (tmp_path / "real.yaml").write_text(HEAD)
    (tmp_path / "real.yaml").chmod(0o640)
    (tmp_path / "link.yaml").symlink_to("real.yaml")

    write_index(tmp_path / "link.yaml", CHOICE)

    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == HEAD + WRITTEN
    assert (tmp_path / "real.yaml").stat().st_mode & 0o777 == 0o640
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.yaml", "real.yaml"]


def test_a_filter_is_written_as_text(edited):
    filter = 'label == "cat" and year > 2000  # not a comment: {a}'

    found = edited(HEAD, {"type": "FLAT", "tuned": {"filters": [filter], "recall": 1.0}})

    assert yaml.safe_load(found)["index"]["tuned"]["filters"] == [filter]


def test_a_file_that_cannot_be_written_is_noticed_before(tmp_path):
    with pytest.raises(VicinalError, match="cannot write"):
        require_editable(tmp_path / "missing" / "a.yaml")
