"""Exact Tanimoto: a search returns what brute force over all fingerprints returns."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers import ROOT
from vicinal import Item
from vicinal.stores import tanimoto
from vicinal.stores.milvus import Candidate

LIMIT = 10
QUERIES = 1_000


# --- against brute force, on real fingerprints


@pytest.fixture(scope="module")
def molecules():
    """The fingerprints of the sample molecules, ``(n, 256)`` uint8."""
    from vicinal_molecule.encoders import Morgan

    morgan = Morgan()
    with (ROOT / "configs" / "data" / "molecules.csv").open(newline="") as file:
        smiles = [row["smiles"] for row in csv.DictReader(file)]
    samples = [segment.sample for text in smiles for segment in morgan.decode(Item("q", text))]
    return morgan.encode(samples)


@pytest.fixture(scope="module")
def fingerprints(molecules):
    """Molecules, molecules with some bits turned, random ones of any density, and some twice: 3,000 in all."""
    rng = np.random.default_rng(7)
    bits = np.unpackbits(molecules, axis=1)
    near = bits[rng.integers(len(bits), size=1_800)] ^ (rng.random((1_800, 2_048)) < 0.004)
    mixed = rng.random((400, 2_048)) < np.geomspace(0.001, 0.5, 400)[:, None]
    mixed[:, 0] |= ~mixed.any(axis=1)
    twice = bits[: 3_000 - len(bits) - len(near) - len(mixed)]
    return np.packbits(np.concatenate([bits, near, mixed, twice]).astype(bool), axis=1)


def brute_force(queries, fingerprints):
    """Tanimoto of every pair, ``(queries, fingerprints)``."""
    a, b = (np.unpackbits(packed, axis=1).astype(np.float32) for packed in (queries, fingerprints))
    common = (a @ b.T).astype(np.float64)
    return common / (a.sum(axis=1)[:, None] + b.sum(axis=1)[None, :] - common)


@pytest.mark.long
def test_a_thousand_queries_equal_brute_force(workshop, fingerprints):
    rng = np.random.default_rng(8)
    workshop.write([(f"f{number}", packed.tobytes().hex(), 1) for number, packed in enumerate(fingerprints)])
    things = workshop.solution(encoder="{type: bits}")
    assert things.ingest().rows == len(fingerprints) == 3_000

    chosen = fingerprints[rng.choice(3_000, 800, replace=False)]
    turned = np.packbits(np.unpackbits(chosen[:160], axis=1) ^ (rng.random((160, 2_048)) < 0.004), axis=1)
    sparse = np.packbits(rng.random((39, 2_048)) < 0.004, axis=1)
    one_bit = np.packbits(np.arange(2_048) == 1_000)[None, :]
    queries = np.concatenate([chosen, turned, sparse, one_bit])
    assert len(queries) == QUERIES
    exact = brute_force(queries, fingerprints)

    results = things.search([packed.tobytes().hex() for packed in queries], limit=LIMIT)
    for hits, similarities in zip(results, exact, strict=True):
        best = np.sort(similarities[similarities > 0])[::-1][:LIMIT].tolist()
        assert [hit.similarity for hit in hits] == pytest.approx(best, abs=1e-6)
        assert [hit.distance for hit in hits] == pytest.approx([1 - value for value in best], abs=1e-6)
        # The same keys, except among exact ties: as many different ones, each with the exact value that belongs there.
        assert len({hit.key for hit in hits}) == len(hits)
        assert sorted((similarities[int(hit.key[1:])] for hit in hits), reverse=True) == best

    others = np.sort(brute_force(fingerprints[:1], fingerprints)[0])[::-1][1:4]
    assert [hit.similarity for hit in things.search("@f0", limit=3)] == pytest.approx(others)
    everything = things.search(fingerprints[5].tobytes().hex(), limit=3_000)
    assert len(everything) == np.count_nonzero(brute_force(fingerprints[5:6], fingerprints))
    assert [hit.rank for hit in everything] == list(range(1, len(everything) + 1))


# --- the rule that decides how many candidates to fetch


@given(st.integers(1, 5_000), st.integers(1, 5_000), st.data())
def test_tanimoto_is_bounded_by_the_cosine(a, b, data):
    common = data.draw(st.integers(0, min(a, b)))
    cosine = common / math.sqrt(a * b)
    assert common / (a + b - common) <= cosine / (2 - cosine) + 1e-12
    assert common / (a + b - common) <= min(a, b) / max(a, b)


class InMemory:
    """An engine in memory: the candidates that share a bit with the query, by cosine in float32."""

    def __init__(self, fingerprints):
        self.fingerprints = fingerprints
        self.calls = 0

    def __call__(self, queries, limit, filter, popcount):
        self.calls += 1
        assert limit <= tanimoto.MAX_LIMIT
        assert filter in ("", "odd")
        return [self._search_one(set(query), limit, popcount, filter == "odd") for query in queries]

    def _search_one(self, query, limit, popcount, odd):
        found = []
        for number, bits in enumerate(self.fingerprints):
            if (popcount is None or len(bits) == popcount) and (not odd or number % 2) and query & bits:
                cosine = float(np.float32(len(query & bits) / math.sqrt(len(query) * len(bits))))
                found.append(Candidate(f"f{number:03}", 0, cosine, popcount=len(bits)))
        return sorted(found, key=lambda candidate: -candidate.distance)[:limit]

    def exact(self, query, limit, odd=False):
        chosen = [bits for number, bits in enumerate(self.fingerprints) if number % 2 or not odd]
        return sorted((len(query & bits) / len(query | bits) for bits in chosen if query & bits), reverse=True)[:limit]


def as_vector(bits):
    return dict.fromkeys(bits, len(bits) ** -0.5)


FINGERPRINT = st.sets(st.integers(0, 40), min_size=1, max_size=41)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(FINGERPRINT, max_size=60),
    st.lists(FINGERPRINT, min_size=1, max_size=3),
    st.integers(1, 12),
    st.sampled_from([12, 16, 33, 16_384]),
    st.booleans(),
)
def test_search_is_exact_whatever_the_fingerprints(fingerprints, queries, limit, most, odd):
    engine = InMemory(fingerprints)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tanimoto, "MAX_LIMIT", most)
        results = tanimoto.search_exact(engine, [as_vector(query) for query in queries], limit, "odd" if odd else "")
    for query, found in zip(queries, results, strict=True):
        assert [1 - candidate.distance for candidate in found] == pytest.approx(engine.exact(query, limit, odd))
        assert len({candidate.item for candidate in found}) == len(found)
        assert found == sorted(found, key=lambda candidate: (candidate.distance, candidate.item))


def test_remaining_candidates_are_searched_by_popcount(monkeypatch):
    """Forty long fingerprints hide, by their cosine, a shorter one of higher Tanimoto."""
    monkeypatch.setattr(tanimoto, "MAX_LIMIT", 32)
    query = {0, 1}
    long = [set(range(500)) | {1_000 + number} for number in range(40)]
    hidden = {0, *range(2_000, 2_129)}
    engine = InMemory([*long, hidden])
    assert hidden not in [engine.fingerprints[int(c.item[1:])] for c in engine([as_vector(query)], 32, "", None)[0]]
    (found,) = tanimoto.search_exact(engine, [as_vector(query)], 2)
    assert [candidate.item for candidate in found] == ["f040", "f000"]
    assert [1 - candidate.distance for candidate in found] == pytest.approx([1 / 131, 2 / 501])


def test_few_candidates_are_fetched_if_they_suffice():
    engine = InMemory([{number, number + 1} for number in range(30)])
    (found,) = tanimoto.search_exact(engine, [as_vector({3, 4})], 2)
    assert engine.calls == 1
    assert (found[0].item, found[0].distance) == ("f003", 0)


def test_empty_queries_and_empty_collections():
    assert tanimoto.search_exact(InMemory([]), [], 5) == []
    assert tanimoto.search_exact(InMemory([]), [as_vector({1})], 5) == [[]]
    assert tanimoto.search_exact(InMemory([{1}]), [{}], 5) == [[]]


def test_empty_fingerprint_is_a_failure_and_matches_nothing(workshop):
    workshop.write([("full", "ff" * 256, 1), ("empty", "00" * 256, 1), ("half", "ff" * 128 + "00" * 128, 1)])
    things = workshop.solution(encoder="{type: bits}")
    report = things.ingest()
    assert (report.new, report.failed, report.rows) == (2, 1, 2)
    (failure,) = things.failures()
    assert (failure.key, failure.stage, failure.message) == ("empty", "encode", "the fingerprint is all zeros")
    assert list(things.search("00" * 256)) == []
    assert [(hit.key, hit.similarity) for hit in things.search("ff" * 256)] == [("full", 1), ("half", 0.5)]
