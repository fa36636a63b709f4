"""What is held back of interactions, and what of it can be found."""

import numpy as np
import pytest

from vicinal import VicinalError
from vicinal_recommend.evaluation.splits import Log, choose_held_back, find_relevant, to_matrix


def log(rows, *, times=True):
    """Interactions from rows of user, item and time."""
    users, items, when = (np.array(column) for column in zip(*rows, strict=True))
    return Log(users, items, np.ones(len(users), np.float32), when.astype(float) if times else None)


def held_back(found, split, seed=0):
    mask = choose_held_back(found, split, seed)
    return sorted(zip(found.users[mask].tolist(), found.items[mask].tolist(), strict=True))


def test_the_last_fifth_of_each_user_is_held_back():
    """User 0 has ten interactions out of order, of which the last two go; user 1 has nine, user 2 has four."""
    rows = [(0, item, 100 - item) for item in range(10)]
    rows += [(1, item, item) for item in range(9)] + [(2, item, item) for item in range(4)]
    rows = [rows[number] for number in np.random.default_rng(0).permutation(len(rows))]
    assert held_back(log(rows), "time") == [(0, 0), (0, 1), (1, 8)]


def test_the_last_of_each_user_is_held_back_unless_it_is_the_only_one():
    rows = [(0, 5, 2), (1, 7, 9), (0, 6, 1), (3, 1, 1), (3, 2, 2), (3, 3, 3)]
    assert held_back(log(rows), "leave-last-out") == [(0, 5), (3, 3)]


def test_interactions_of_one_time_are_in_the_order_in_which_they_were_read():
    rows = [(0, item, 0) for item in (3, 1, 4, 9, 5)]
    assert held_back(log(rows), "time") == held_back(log(rows), "leave-last-out") == [(0, 5)]


def test_a_random_fifth_of_all_is_the_same_for_one_seed():
    rows = [(user, item, 0) for user in range(50) for item in range(40)]
    found = log(rows, times=False)
    first = held_back(found, "random", 1)
    assert first == held_back(found, "random", 1) != held_back(found, "random", 2)
    assert len(first) / len(rows) == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("split", ["time", "leave-last-out"])
def test_without_times_there_is_no_last(split):
    with pytest.raises(VicinalError, match=f"split '{split}' needs to know when") as error:
        choose_held_back(log([(0, 1, 0)], times=False), split)
    assert error.value.hint == "--split random does without"


def test_what_was_learnt_from_cannot_be_found():
    """User 0 touched item 1 before and again; user 2 has nothing new; an item counts once."""
    training = to_matrix(log([(0, 1, 0), (0, 2, 0), (1, 0, 0), (2, 3, 0)]), 4, 6)
    users, relevant = find_relevant(log([(0, 1, 9), (0, 4, 9), (0, 4, 10), (0, 3, 9), (2, 3, 9), (1, 5, 9)]), training)
    assert users.tolist() == [0, 1]
    assert [items.tolist() for items in relevant] == [[3, 4], [5]]


def test_weights_of_one_pair_are_added_up():
    matrix = to_matrix(log([(0, 1, 0), (0, 1, 1), (1, 0, 0)]), 2, 3)
    assert matrix.toarray().tolist() == [[0, 2, 0], [1, 0, 0]]
