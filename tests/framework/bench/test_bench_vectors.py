"""A benchmark's vectors, generated or of files, and the exact neighbours of its queries."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from vicinal.bench.bulk import write_files
from vicinal.bench.config import BenchConfig, FilesData, GeneratedData, Hdf5Data
from vicinal.bench.truth import Truth, find_truth, measure_agreement
from vicinal.bench.vectors import BUCKETS, open_vector_set, to_buckets

DATA = GeneratedData(type="generated", rows=25_000, dimension=24, clusters=50)


def read_all(vectors, rows=None):
    return np.concatenate([block for _, block in vectors.iter_blocks(rows)])


def make_config(data, **settings):
    return BenchConfig(name="tiny", data=data, indexes=[{"type": "FLAT"}], **settings)


@pytest.fixture(scope="module")
def generated():
    return read_all(open_vector_set(DATA))


def test_the_same_seed_gives_the_same_vectors_and_another_one_others(generated):
    other = open_vector_set(DATA.model_copy(update={"seed": 8}))
    assert np.array_equal(read_all(open_vector_set(DATA)), generated)
    assert not np.array_equal(read_all(other, 100), generated[:100])
    assert other.fingerprint != open_vector_set(DATA).fingerprint


def test_a_smaller_number_of_rows_are_the_first_ones(generated):
    vectors = open_vector_set(DATA)
    assert np.array_equal(read_all(vectors, 12_345), generated[:12_345])
    assert [(first, len(block)) for first, block in vectors.iter_blocks(12_345)] == [(0, 10_000), (10_000, 2_345)]


def test_queries_are_near_the_vectors_and_none_of_them(generated):
    queries = open_vector_set(DATA).read_queries(20)
    nearest = np.linalg.norm(generated[None] - queries[:, None], axis=2).min(axis=1)
    typical = np.linalg.norm(generated[:1000] - generated[1000:2000], axis=1).mean()
    assert (nearest > 0).all()
    assert nearest.mean() < typical / 2


def test_buckets_are_even_and_do_not_depend_on_where_a_block_begins():
    buckets = to_buckets(0, 100_000)
    assert np.array_equal(to_buckets(500, 100), buckets[500:600])
    assert abs((buckets < BUCKETS // 100).mean() - 0.01) < 0.001


def test_the_truth_is_that_of_a_plain_comparison_also_under_a_filter(generated, tmp_path):
    config = make_config(DATA, queries=20, filters=(0.1,))
    truth = find_truth(open_vector_set(DATA), 25_000, config, 5, tmp_path, lambda *_: None)
    distances = ((generated[None].astype(np.float64) - truth.queries[:, None]) ** 2).sum(axis=2)
    assert np.array_equal(truth.ids[1.0], np.argsort(distances, axis=1)[:, :5])
    distances[:, to_buckets(0, 25_000) >= 100] = np.inf
    assert np.array_equal(truth.ids[0.1], np.argsort(distances, axis=1)[:, :5])


def test_the_truth_is_kept(tmp_path):
    config = make_config(DATA, queries=10, filters=())
    found = find_truth(open_vector_set(DATA), 1_000, config, 5, tmp_path, lambda *_: None)

    class Unreadable:
        fingerprint = open_vector_set(DATA).fingerprint

    again = find_truth(Unreadable(), 1_000, config, 5, tmp_path, lambda *_: None)
    assert np.array_equal(found.ids[1.0], again.ids[1.0])


def test_ann_benchmarks_hdf5_is_read_with_its_neighbours(tmp_path):
    train = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["train"], file["test"] = train, train[:10] + 0.01
        file["neighbors"] = np.argsort(np.linalg.norm(train[None] - train[:10, None] - 0.01, axis=2), axis=1)[:, :20]
    data = Hdf5Data(type="hdf5", path=tmp_path / "a.hdf5", metric="L2")
    vectors = open_vector_set(data.to_files())
    assert np.array_equal(read_all(vectors), train)
    truth = find_truth(vectors, 500, make_config(data, queries=10, filters=()), 10, tmp_path, lambda *_: None)
    assert measure_agreement(truth, vectors.read_neighbors(10)) == 1.0
    cosine = Hdf5Data(type="hdf5", path=tmp_path / "a.hdf5", metric="COSINE")
    other = find_truth(vectors, 500, make_config(cosine, queries=10, filters=()), 10, tmp_path, lambda *_: None)
    assert measure_agreement(other, vectors.read_neighbors(10)) < 0.9


def test_a_folder_of_files_is_read_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    parts = [np.full((7, 4), number, np.float32) for number in range(3)]
    for number, part in enumerate(parts):
        np.save(folder / f"{number}.npy", part)
    np.save(tmp_path / "queries.npy", parts[0])
    data = FilesData(type="files", vectors=folder, queries=tmp_path / "queries.npy", metric="L2")
    vectors = open_vector_set(data)
    assert (vectors.rows, vectors.dimension) == (21, 4)
    assert np.array_equal(read_all(vectors), np.concatenate(parts))
    assert np.array_equal(read_all(vectors, 10), np.concatenate(parts)[:10])
    assert [first for first, _ in vectors.iter_blocks()] == [0, 7, 14]


def test_a_truth_is_written_as_a_whole(tmp_path):
    truth = Truth(np.zeros((1, 2)), {1.0: np.array([[3]])}, {1.0: np.array([[0.5]])})
    truth.save(tmp_path / "truth.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["truth.npz"]
    assert Truth.load(tmp_path / "truth.npz").ids[1.0].tolist() == [[3]]


def test_files_for_an_import_hold_all_rows_wherever_blocks_end(generated, tmp_path):
    blocks = open_vector_set(DATA).iter_blocks(23_000)
    found = []
    for done, paths in write_files(blocks, tmp_path / "bulk", 24, 7_500, 23_000):
        found.append((done, *(np.load(path) for path in paths)))
    assert [part[0] for part in found] == [7_500, 15_000, 22_500, 23_000]
    ids, buckets, vectors = (np.concatenate([part[number] for part in found]) for number in (1, 2, 3))
    assert np.array_equal(ids, np.arange(23_000))
    assert np.array_equal(buckets, to_buckets(0, 23_000))
    assert np.array_equal(vectors, generated[:23_000])
    assert list((tmp_path / "bulk").iterdir()) == []
