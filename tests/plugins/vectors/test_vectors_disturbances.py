"""Vectors are found by themselves with noise, or without some bits: their contents are read from the index."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vicinal import ItemError, Space, evaluate
from vicinal_vectors.disturbances import list_disturbances

[NOISY] = list_disturbances(Space(64, "float", "COSINE"))
[DROPPED] = list_disturbances(Space(64, "binary", "JACCARD"))


def test_noise_has_a_tenth_of_the_length():
    row = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    noise = np.array(json.loads(NOISY.apply(row, np.random.default_rng(1)))) - row
    assert np.linalg.norm(noise) / np.linalg.norm(row) == pytest.approx(0.1, rel=0.02)
    assert abs(noise.mean()) < 0.005


@pytest.mark.parametrize("form", [np.array, list, lambda bits: np.packbits(bits), str])
def test_a_tenth_of_the_bits_is_lost(form):
    bits = [1, 0] * 32
    left = json.loads(DROPPED.apply(form(bits), np.random.default_rng(0)))
    assert (sum(left), len(left)) == (29, 64)
    assert all(one <= other for one, other in zip(left, bits, strict=True))
    assert DROPPED.apply([1, *[0] * 63], np.random.default_rng(0)) is None


def test_what_is_no_vector_is_refused():
    for content in ("words", None, {}):
        with pytest.raises(ItemError):
            NOISY.apply(content, np.random.default_rng(0))


@pytest.mark.parametrize("metric", ["COSINE", "L2", "JACCARD"])
def test_vectors_are_found_by_themselves(lite, metric):
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((120, 64)).astype(np.float32)
    np.save(lite.folder / "v.npy", (rows > 0).astype(np.uint8) if metric == "JACCARD" else rows)
    solution = lite.solution(
        source="{type: vectors, path: v.npy}", encoder=f"{{type: vectors, dimension: 64, metric: {metric}}}"
    )
    solution.ingest()
    report = evaluate(solution, self_test=True, sample=50)
    assert (report.sample, report.missing, report.warnings) == (50, 0, [])
    assert {name: one.metrics["recall@1"].value for name, one in report.disturbances.items()} == {
        "unchanged": 1.0,
        "bits-dropped" if metric == "JACCARD" else "noisy": 1.0,
    }
