"""The tests that a contract has, and whether one of them fails."""

import pytest


def promises_of(contract: type) -> set[str]:
    return {name for name in dir(contract) if name.startswith("test_")}


def fails(test, *arguments) -> bool:
    try:
        test(*arguments)
    except (Exception, pytest.fail.Exception):
        return True
    return False


def pairs(wrong: dict) -> list[tuple[str, type]]:
    return [(test, found) for test, all_found in wrong.items() for found in all_found]
