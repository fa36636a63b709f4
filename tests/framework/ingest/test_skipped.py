"""Items that an encoder leaves out on purpose: counted with their reasons, not indexed, and no failures."""

from __future__ import annotations

import sys

import pytest

from encoders import Hashed
from vicinal import ItemError, ItemSkipped, hookimpl
from vicinal.types import Item

pytestmark = pytest.mark.long_on_server

WANTED, COLD, BROKEN = ("a", "wanted", 1), ("b", "cold tea", 2), ("c", "broken", 3)


class Choosy(Hashed):
    """Leaves out what is cold, and cannot read what is broken."""

    def decode(self, item):
        text = str(item.content)
        if text.startswith("cold"):
            raise ItemSkipped(f"{text} is cold")
        if text == "broken":
            raise ItemError("it is broken")
        return super().decode(item)


@hookimpl
def register_encoders(encoders):
    encoders.add("choosy", f"{__name__}:Choosy", summary="for tests")


@pytest.fixture
def choosy(workshop):
    workshop.manager.register(sys.modules[__name__], "choosy")
    workshop.write([WANTED, COLD, ("d", "cold tea", 4), BROKEN])
    return workshop.solution(encoder="{type: choosy}")


def test_the_report_counts_them_with_their_reasons(choosy):
    report = choosy.ingest()
    assert (report.seen, report.new, report.failed, report.skipped, report.rows) == (4, 1, 1, 2, 1)
    assert report.to_dict()["skip_reasons"] == {"cold tea is cold": 2}
    assert [failure.key for failure in choosy.failures()] == ["c"]
    assert choosy.ingest().skipped == 2
    assert choosy.check().consistent


def test_what_was_indexed_of_them_is_removed(workshop, choosy):
    workshop.write([WANTED, ("b", "warm tea", 2)])
    assert choosy.ingest().new == 2
    workshop.write([WANTED, COLD])
    report = choosy.ingest()
    assert (report.skipped, report.removed, report.rows) == (1, 1, 1)
    assert [hit.key for hit in choosy.search("warm tea")] == ["a"]
    assert choosy.check().consistent


def test_one_that_failed_before_is_no_failure_any_more(workshop, choosy):
    choosy.ingest()
    workshop.write([WANTED, ("c", "cold", 3)])
    assert choosy.ingest().skipped == 1
    assert choosy.failures() == []


def test_of_many_reasons_the_first_twenty_are_kept(workshop, choosy):
    workshop.write([(f"k{number}", f"cold {number}", 1) for number in range(30)])
    report = choosy.ingest()
    assert (report.skipped, len(report.skip_reasons), report.skip_reasons["other reasons"]) == (30, 21, 10)


def test_one_that_is_added_by_hand_is_refused_with_the_reason(choosy):
    choosy.ingest()
    with pytest.raises(ItemSkipped, match="cold soup is cold"):
        choosy.add(Item("soup", "cold soup"))
