"""Clients in processes of their own: what they count, and what their failure is."""

from __future__ import annotations

import numpy as np
import pytest

from milvus_helpers import make_vectors
from vicinal.bench.client_process import _make_requests
from vicinal.bench.clients import measure_throughput
from vicinal.bench.search_request import Search
from vicinal.errors import StoreError


def test_a_client_that_fails_is_an_error():
    search = Search("http://127.0.0.1:1", "", "nothing", 10, {})
    with pytest.raises(StoreError, match="a client's search failed"):
        measure_throughput(search, make_vectors(5), 2, 0.1)


def test_each_client_asks_all_queries_in_an_order_of_its_own():
    queries = np.arange(10, dtype=np.float32)[:, None]
    requests = _make_requests(queries, 1, number=0)
    asked = [float(vector[0]) for request in requests for vector in request]
    assert sorted(asked) == list(range(10))
    assert asked != [float(vector[0]) for request in _make_requests(queries, 1, number=1) for vector in request]


def test_a_request_has_as_many_queries_as_it_should_also_where_there_are_fewer():
    assert [len(request) for request in _make_requests(make_vectors(10), 3, 0)] == [3, 3, 3]
    assert [len(request) for request in _make_requests(make_vectors(10), 25, 0)] == [25]
