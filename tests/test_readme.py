"""The Python of the README and of the first steps is run, so that what a newcomer copies works."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vicinal import Solution, create_manager

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
FIRST_STEPS = (ROOT / "docs" / "start.md").read_text(encoding="utf-8")
FAQ = """\
id,question,answer,topic,year
1,I forgot my password and cannot log in,Choose "forgotten" on the page.,login,2025
2,Which payment methods do you take?,Cards and invoices.,payment,2024
3,How do I delete my account?,Write to us.,account,2023
"""


def block(text):
    (found,) = [code for code in BLOCKS if text in code]
    return found


def test_the_plugin_of_fifteen_lines_works(tmp_path, monkeypatch):
    module = ModuleType("my_plugin")
    exec(block("register_encoders"), module.__dict__)
    monkeypatch.setitem(sys.modules, "my_plugin", module)
    manager = create_manager()
    assert manager.register(module, "mine").status == "ok"
    (tmp_path / "words.txt").write_text("listen\nsilent\nhello\n")
    yaml = tmp_path / "words.yaml"
    yaml.write_text("name: words\nsource: {type: lines, path: words.txt}\nencoder: {type: letters}\n")
    with Solution.from_yaml(yaml, manager=manager) as words:
        assert words.ingest().new == 3
        found = words.search("enlist", limit=2)
    assert {hit.content for hit in found} == {"listen", "silent"}
    assert found[0].similarity == pytest.approx(1.0, abs=1e-6)


def test_the_python_of_the_facade_works(tmp_path, monkeypatch, capsys):
    (tmp_path / "configs" / "data").mkdir(parents=True)
    for name in ("qa.yaml", "data/qa.csv"):
        (tmp_path / "configs" / name).write_bytes((ROOT / "configs" / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(block("Solution.from_yaml"), {})
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith("1 0.")
    assert "nprobe is how many" in first


def test_the_first_steps_find_an_answer_in_a_table_of_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faq.csv").write_text(FAQ)
    (yaml,) = re.findall(r"```yaml\n(# faq\.yaml.*?)```", FIRST_STEPS, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", FIRST_STEPS, re.DOTALL)
    (tmp_path / "faq.yaml").write_text(yaml)
    exec(code, {})
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.match(r"1 0\.[5-9]\d* 1 \{.*'answer': 'Choose \"forgotten\" on the page\.'", first)
    assert (second[:2], third[:2]) == ("2 ", "3 ")
    with Solution.from_yaml("faq.yaml") as faq:
        (filter_,) = set(re.findall(r"--filter '(.+?)'", FIRST_STEPS))
        assert [hit.key for hit in faq.search("reset my password", filter=filter_)] == ["1", "2"]
