"""YAML as vicinal reads it: values are what they look like, and each has a position."""

from __future__ import annotations

import pytest

from vicinal.config.document import Document, Problem


def problems(text):
    return [(problem.line, problem.column, problem.key, problem.message) for problem in Document.read(text).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("no", "no"),
        ("Yes", "Yes"),
        ("TRUE", "TRUE"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-31", "2026-01-31"),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ('"7"', "7"),
        ("9223372036854775807", 9223372036854775807),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        ("~", None),
        ("null", None),
        ("", None),
        ("''", ""),
        ("=", "="),
        ("! 7", 7),
        ("!!int 7", 7),
    ],
)
def test_a_scalar_is_what_it_looks_like(text, value):
    read = Document.read(f"a: {text}\n")
    assert (read.data, read.problems) == ({"a": value}, [])
    assert type(read.data["a"]) is type(value)


def test_every_value_has_a_position():
    read = Document.read("a: 1\nb:\n  - x\n  - {c: 2}\n")
    assert read.data == {"a": 1, "b": ["x", {"c": 2}]}
    assert read.position(("a",)) == (1, 1)
    assert read.position(("b", 0)) == (3, 5)
    assert read.position(("b", 1, "c")) == (4, 6)


def test_value_without_position_has_that_of_the_nearest_enclosing_one():
    read = Document.read("a:\n  b: 1\n")
    assert read.position(("a", "missing", "deeper")) == (1, 1)
    assert read.position(("a", "b", 3)) == (2, 3)
    assert Document.read("").position(("a",)) == (1, 1)


def test_a_problem_is_a_line_that_editors_and_terminals_can_open():
    assert Problem(3, 5, "a.b", "is wrong").format("x.yaml") == "x.yaml:3:5: a.b: is wrong"
    assert Problem(1, 1, "", "is wrong").format("x.yaml") == "x.yaml:1:1: is wrong"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1, "a", "given twice, first on line 1")),
        ("a: {b: 1, b: 1}\n", (1, 11, "a.b", "given twice, first on line 1")),
        ("- {b: 1, 'b': 1}\n", (1, 10, "0.b", "given twice, first on line 1")),
        ("? [a, b]\n: 1\n", (1, 3, "", "a key must be a text")),
        ("x: {? {a: 1} : 1}\n", (1, 7, "x", "a key must be a text")),
        ('\'a\\nb\': 1\n"a\\nb": 1\n"a\\nb": 1\n', (3, 1, "'a\\nb'", "given twice, first on line 2")),
        ("a: {<<: {b: 1}, c: 2}\n", (1, 5, "a.<<", "merge keys are not supported; write the keys out")),
        ("a: !!int '7'\n", (1, 1, "a", "the tag !!int is not supported; write the value without it")),
        (
            "a: !!python/object/apply:os.system [x]\n",
            (1, 1, "a", "the tag !!python/object/apply:os.system is not supported; write the value without it"),
        ),
        ("a: !mine {b: 1}\n", (1, 1, "a", "the tag !mine is not supported; write the value without it")),
        ("a: 9223372036854775808\n", (1, 1, "a", "a number of more than 64 bits")),
        (f"a: {'9' * 5000}\n", (1, 1, "a", "a number of more than 64 bits")),
        ("a: 1e999\n", (1, 1, "a", "a number of more than 64 bits")),
        ('a: "\\ud800"\n', (1, 1, "a", "contains half of a surrogate pair, or bytes that are not UTF-8")),
    ],
)
def test_invalid_value_is_a_problem(text, problem):
    assert problems(text) == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1\nb: 2\n", (2, 2, "", "not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'")),
        (
            "a:\n\tb: 1\n",
            (
                2,
                1,
                "",
                "not YAML: while scanning for the next token, found character '\\t' that cannot start any token",
            ),
        ),
        ("a: 'x\n", (2, 1, "", "not YAML: while scanning a quoted scalar, found unexpected end of stream")),
        ("a: b: c\n", (1, 5, "", "not YAML: mapping values are not allowed here")),
        ("a: *b\n", (1, 4, "", "not YAML: found undefined alias 'b'")),
        (
            "a: &x 1\nb: &x 2\n",
            (2, 4, "", "not YAML: found duplicate anchor 'x'; first occurrence, second occurrence"),
        ),
        ("a: 1\n\0", (2, 1, "", "not YAML: the character U+0000 is not allowed")),
        ("\na: \x1b[2J", (2, 4, "", "not YAML: the character U+001B is not allowed")),
        ('a: "\\Uffffffff"\n', (1, 7, "", "not YAML: an escape is not a character")),
        ("a: 1\n---\nb: 2\n", (2, 1, "", "a second document begins here; a file holds one solution")),
        ("%YAML 9.1\n---\na: 1\n", (1, 1, "", "not YAML: found incompatible YAML document (version 1.* is required)")),
    ],
)
def test_invalid_document_has_one_problem_and_no_data(text, problem):
    read = Document.read(text)
    assert (problems(text), read.data) == ([problem], None)


def test_a_document_may_have_marks_around_it():
    assert Document.read("---\na: 1\n...\n").data == {"a": 1}
    assert Document.read("%YAML 1.1\n---\na: 1\n").data == {"a": 1}


def test_line_ends_of_every_system_are_read():
    for end in ("\n", "\r\n", "\r"):
        read = Document.read(f"a: 1{end}b:{end}  c: no{end}")
        assert (read.data, read.position(("b", "c"))) == ({"a": 1, "b": {"c": "no"}}, (3, 3))


class TestAliases:
    def test_an_alias_is_what_its_anchor_is(self):
        read = Document.read("a: &x {b: 1}\nc: *x\nd: [*x, &y 2, *y]\n")
        assert (read.data, read.problems) == ({"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, 2, 2]}, [])

    def test_a_value_behind_an_alias_is_placed_where_it_stands(self):
        read = Document.read("a: &x {b: 1}\nc: *x\n")
        assert (read.position(("c",)), read.position(("c", "b"))) == ((2, 1), (1, 8))

    @pytest.mark.parametrize("text", ["a: &x [*x]", "a: &x {b: *x}", "a: &x [1, {b: [*x]}]"])
    def test_alias_that_contains_itself_is_a_problem(self, text):
        assert [message for *_, message in problems(text)] == ["an alias that contains itself"]

    def test_a_document_that_multiplies_itself_is_refused_quickly(self):
        laughs = "a0: &a0 [lol, lol]\n"
        laughs += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
        assert problems(laughs) == [(1, 1, "", "more than 20,000 values, counted with what its aliases repeat")]
        assert Document.read(laughs).data is None

    @pytest.mark.parametrize("text", ["[" * 2000, "[" * 2000 + "]" * 2000, "{a: " * 2000, "- " * 2000])
    def test_a_document_nested_without_end_is_refused(self, text):
        assert [(key, message) for _, _, key, message in problems(text)] == [("", "nested too deeply")]

    def test_fifty_levels_are_enough(self):
        key = ".".join("0" * 51)
        assert problems("[" * 52 + "]" * 52) == [(1, 52, key, "nested more than 50 levels deep")]
        assert problems("[" * 51 + "]" * 51) == []


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch):
        monkeypatch.setenv("SET", "7")
        monkeypatch.setenv("EMPTY", "")
        monkeypatch.delenv("UNSET", raising=False)

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("${SET}", 7),
            ("'${SET}'", "7"),
            ("x${SET}y${SET}", "x7y7"),
            ("${UNSET:-8}", 8),
            ("${EMPTY:-8}", 8),
            ("${SET:-8}", 7),
            ("'${UNSET:-}'", ""),
            ("${UNSET:-true}", True),
            ("'${UNSET:-http://a:1/b}'", "http://a:1/b"),
            ("$SET", "$SET"),
        ],
    )
    def test_a_variable_stands_for_its_value(self, text, value):
        read = Document.read(f"a: {text}\n")
        assert (read.data, read.problems) == ({"a": value}, [])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("${UNSET}", "the environment variable UNSET is not set"),
            ("'x${UNSET}${UNSET}'", "the environment variable UNSET is not set"),
            ("${EMPTY}", "the environment variable EMPTY is empty"),
            ("${SET", "write ${NAME} or ${NAME:-default} for an environment variable"),
            ("'${A B}'", "write ${NAME} or ${NAME:-default} for an environment variable"),
            ("'${SET-8}'", "write ${NAME} or ${NAME:-default} for an environment variable"),
            ("'${}'", "write ${NAME} or ${NAME:-default} for an environment variable"),
        ],
    )
    def test_unset_variable_is_a_problem_at_its_position(self, text, message):
        assert problems(f"b: 1\na:\n  c: {text}\n") == [(3, 3, "a.c", message)]

    def test_value_of_a_variable_is_not_expanded_again(self, monkeypatch):
        monkeypatch.setenv("SET", "${UNSET} *x {")
        assert Document.read("a: ${SET}\n").data == {"a": "${UNSET} *x {"}

    def test_unexpanded_text_of_the_file_is_kept(self):
        read = Document.read("a: {b: 'x${SET}y${UNSET:-z}', c: 1}\n")
        assert read.unexpanded == {("a", "b"): "xyz"}
        assert [read.is_from_environment(loc) for loc in [("a", "b"), ("a",), ("a", "c")]] == [True, True, False]

    def test_a_value_that_is_not_utf_8_is_a_problem(self, monkeypatch):
        monkeypatch.setenv("SET", "\udcff")
        assert problems("a: ${SET}\n") == [
            (1, 1, "a", "contains half of a surrogate pair, or bytes that are not UTF-8")
        ]
