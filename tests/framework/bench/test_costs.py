"""Costs from smaller sizes: lines through them, their intervals, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vicinal.bench.costs import CostModel, fit_costs
from vicinal.bench.estimate import Estimate, require_fit
from vicinal.bench.lines import Forecast, fit_lines
from vicinal.config.index_size import compute_disk_bytes, compute_index_bytes, compute_work
from vicinal.errors import VicinalError

SIZES = (100_000, 200_000, 400_000)


def make_records(rows, noise=1.0):
    """What an engine of 400 MB that takes 1.2 bytes for a byte of an index, and 3 s for any build, would show."""
    raw = 512 * rows
    index = compute_index_bytes("HNSW", {"M": 16}, 128, rows)
    build = 3 + 2e-6 * compute_work("HNSW", {"M": 16}, 128, rows)
    return [
        {"kind": "insert", "rows": rows, "insert_duration": rows / 20_000, "disk": 2 * raw},
        {
            "kind": "build",
            "index": "HNSW",
            "params": {"M": 16},
            "rows": rows,
            "build_duration": build * noise,
            "memory": 4e8 + 1.2 * index,
            "memory_peak": 4e8 + 1.1 * (raw + index),
            "disk": index,
        },
    ]


@pytest.mark.parametrize(
    ("type_", "params", "size"),
    [
        ("FLAT", {}, 512 + 8),
        ("HNSW", {"M": 16}, 512 + 8 + 4 * 34),
        ("HNSW_SQ", {"M": 16, "sq_type": "SQ8"}, 128 + 8 + 4 * 34),
        ("IVF_SQ8", {"nlist": 1}, 128 + 8),
        ("IVF_PQ", {"nlist": 1, "m": 32}, 32 + 8),
        ("SCANN", {"nlist": 1}, 32 + 512 + 8),
        ("DISKANN", {}, 512 * 0.225),
    ],
)
def test_an_index_is_as_large_as_its_structure(type_, params, size):
    assert compute_index_bytes(type_, params, 128, 1_000_000) == pytest.approx(size * 1e6, rel=0.001)


def test_the_graph_of_diskann_is_on_disk():
    assert compute_disk_bytes("DISKANN", {"max_degree": 56}, 128, 1_000) == 1_000 * (512 + 224)


def test_cells_are_trained_on_some_rows_and_given_to_all():
    work = [compute_work("IVF_SQ8", {"nlist": 1024}, 128, rows) / 1024 for rows in (100_000, 200_000, 1_000_000)]
    assert work == [12.5 * 100_000, 12.5 * 200_000, 10 * 256 * 1024 + 2.5 * 1_000_000]


MEASURED = {
    "IVF_SQ8": [(10.353, 776e6), (19.685, 991e6), (26.964, 1136e6), (36.604, 1653e6)],
    "IVF_FLAT": [(10.369, 1024e6), (19.18, 1146e6), (27.565, 1526e6), (43.941, 2070e6)],
    "HNSW": [(12.971, 968e6), (24.756, 1159e6), (54.667, 1467e6), (153.869, 2553e6)],
    "FLAT": [(0.007, 1102e6), (0.006, 1209e6), (0.005, 880e6), (0.211, 1858e6)],
}
"""Seconds of a build and bytes of memory at its peak, of Milvus 2.3.5 at each of the sizes and at a million rows."""


def test_what_a_server_took_for_a_million_rows_is_within_a_quarter():
    params = {"IVF_SQ8": {"nlist": 1024}, "IVF_FLAT": {"nlist": 1024}, "HNSW": {"M": 16, "efConstruction": 100}}
    sizes = [
        [{"kind": "insert", "rows": rows, "insert_duration": rows / 36_000, "disk": 2 * 512 * rows}]
        + [
            {
                "kind": "build",
                "index": name,
                "params": params.get(name, {}),
                "rows": rows,
                "build_duration": taken[number][0],
                "memory": 4e8 + 512 * rows,
                "memory_peak": taken[number][1],
            }
            for name, taken in MEASURED.items()
        ]
        for number, rows in enumerate(SIZES)
    ]
    model = fit_costs(128, sizes, list(MEASURED))
    for name, taken in MEASURED.items():
        cost = model.predict_index(name, name, params.get(name, {}), 1_000_000)
        assert cost.memory_peak.value == pytest.approx(taken[-1][1], rel=0.25), name
        assert cost.memory_peak.low < taken[-1][1] < cost.memory_peak.high
        if name != "FLAT":  # there is nothing to build
            assert cost.build.value == pytest.approx(taken[-1][0], rel=0.25), name
            assert 0.5 * cost.build.value < cost.build.low < taken[-1][0] < cost.build.high < 2 * cost.build.value


def test_each_segment_is_built_alone():
    segment = 2_000_000  # of 512 bytes each: nearly a gigabyte
    for type_, params in (("HNSW", {}), ("IVF_FLAT", {"nlist": 1024})):
        one = compute_work(type_, params, 128, segment)
        assert compute_work(type_, params, 128, 50 * segment) == pytest.approx(50 * one, rel=0.1)


def test_a_million_rows_are_predicted_from_smaller_sizes():
    model = fit_costs(128, [make_records(rows) for rows in SIZES], ["hnsw"])
    (_, expected), cost = make_records(1_000_000), model.predict_index("hnsw", "HNSW", {"M": 16}, 1_000_000)
    for forecast, key in ((cost.build, "build_duration"), (cost.memory, "memory"), (cost.memory_peak, "memory_peak")):
        assert forecast.value == pytest.approx(expected[key], rel=0.1)
        assert forecast.low < expected[key] < forecast.high
    assert model.predict_insert(1_000_000).value == pytest.approx(50)


def test_intervals_have_the_truth_in_about_95_of_100_draws():
    rng, hits = np.random.default_rng(0), 0
    x = np.array([1.0, 2.0, 4.0])
    for _ in range(300):
        lines = fit_lines([(x, (1 + 3 * x) * np.exp(rng.normal(0, 0.1, 3))) for _ in range(3)])
        forecast = lines[0].predict(10.0)
        hits += forecast.low < 31 * math.exp(rng.normal(0, 0.1)) < forecast.high
    assert hits >= 0.93 * 300


def test_an_interval_widens_with_the_distance():
    line = fit_lines([([1.0, 2.0, 4.0], [2.0, 3.9, 8.1])])[0]
    near, far = line.predict(8.0), line.predict(800.0)
    assert near.high / near.value < far.high / far.value


def test_what_is_expected_of_a_slope_counts_where_the_points_are_noise():
    noise = ([1.0, 2.0, 3.0], [100.0, 110.0, 95.0])
    assert fit_lines([noise], expected=(1.3, 0.3))[0].slope == pytest.approx(1.3, abs=0.1)
    clear = ([100.0, 200.0, 400.0], [300.0, 500.0, 900.0])
    assert fit_lines([clear], expected=(1.3, 0.3))[0].slope == pytest.approx(2.0, abs=0.2)


def test_no_line_begins_below_zero():
    assert fit_lines([([1.0, 2.0, 4.0], [0.5, 2.0, 6.0])])[0].base == 0.0


def test_without_measurements_times_are_unknown_and_sizes_assumed():
    model = fit_costs(128, [], [])
    cost = model.predict_index("", "HNSW", {"M": 16}, 1_000_000)
    assert (model.is_measured, cost.build, model.predict_insert(10)) == (False, None, None)
    assert 0.6e9 < cost.memory.low < cost.memory.value < cost.memory.high < 2e9


def make_estimate(rows, memory, disk):
    model = CostModel(128, None, {})
    costs = [model.predict_index("", type_, {}, rows) for type_ in ("IVF_SQ8", "DISKANN")]
    return Estimate(rows, (), None, costs, None, memory, disk)


def test_what_fits_is_not_refused():
    require_fit(make_estimate(1_000_000, 24e9, 60e9))
    require_fit(make_estimate(100_000_000, None, None))


def test_what_cannot_fit_is_refused_and_the_error_says_what_would():
    with pytest.raises(VicinalError) as caught:
        require_fit(make_estimate(100_000_000, 24e9, 60e9))
    assert "DISKANN of 100,000,000 rows needs 187.2 GB of disk" in str(caught.value)
    assert "GB are free" in str(caught.value)
    assert "of memory" not in str(caught.value)
    assert "a machine with" in caught.value.hint
    assert "rows of all of them" in caught.value.hint


def test_forecasts_add_up():
    assert Forecast(1, 0.5, 2) + Forecast(10, 8, 12) == Forecast(11, 8.5, 14)
