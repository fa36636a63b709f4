"""Comparing encoders of pictures: what was trained against what was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from vicinal import Solution, compare

PICTURES = Path(__file__).parents[3] / "configs" / "data" / "images"
CONFIG = """
name: {name}
source: {{type: folder, path: '{folder}', include: ["**/*.jpg"]}}
encoder: {encoder}
"""


def index_pictures(folder, name, encoder):
    path = folder / f"{name}.yaml"
    path.write_text(CONFIG.format(name=name, folder=PICTURES, encoder=encoder))
    solution = Solution.from_yaml(path)
    solution.ingest()
    return solution


@pytest.mark.long
def test_a_trained_network_is_better_than_a_random_one(tmp_path, monkeypatch):
    """40 pictures in eight folders; vectors of 1280 floats against 512."""
    monkeypatch.chdir(tmp_path)
    random = index_pictures(tmp_path, "random", "{type: resnet18, weights: random}")
    trained = index_pictures(tmp_path, "trained", "{type: efficientnet_lite0}")
    with random, trained:
        verdict = compare([random, trained], labels="folder", speed=False).verdict
        assert verdict.startswith("trained is better: mAP@10 0.9")
        assert verdict.endswith("(p = 0.0001), but its vectors are 2.5 times the size")
        again = compare([trained, trained], labels="folder", speed=False).verdict
        assert again == "no difference: both find the same for each of 40 queries"
