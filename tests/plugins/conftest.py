"""What tests of the plugins share; what is heavy is imported where it is used."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def one_thread():
    """On a busy machine threads wait for each other: the tests take half as long on one."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def minilm():
    from vicinal_text.model_dir import MINILM, resolve_sentence_model

    return resolve_sentence_model(MINILM).path


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Writes a video of each format once."""
    from video_helpers import FORMATS, counting_frames, write_video

    folder, made = tmp_path_factory.mktemp("videos"), {}

    def write_once(name):
        if name not in made:
            codec, options = FORMATS[name]
            options = dict(options)
            pix_fmt = options.pop("pix_fmt", None)
            made[name] = write_video(folder / name, counting_frames(), codec=codec, options=options, pix_fmt=pix_fmt)
        return made[name]

    return write_once


@pytest.fixture(scope="session")
def tiny_clap(tmp_path_factory):
    from tiny_clap import save_tiny_clap

    return save_tiny_clap(tmp_path_factory.mktemp("tiny-clap"))


@pytest.fixture(scope="session")
def tiny_cross_encoder(tmp_path_factory):
    from tiny_cross_encoder import save_tiny_cross_encoder

    return save_tiny_cross_encoder(tmp_path_factory.mktemp("cross-encoder") / "tiny")


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory):
    from tiny_clip import save_tiny_clip

    return save_tiny_clip(tmp_path_factory.mktemp("clip") / "tiny")


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """Nothing is fetched from the hub, and nothing is in its cache."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


@pytest.fixture
def no_downloads(monkeypatch, tmp_path):
    """Nothing is fetched from anywhere, and nothing is in torch's cache."""
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


@pytest.fixture(scope="session")
def resnet18(tmp_path_factory):
    """A seeded ResNet-18 of torchvision, and the file with its state dict."""
    import torch

    from random_networks import random_torchvision_model

    model = random_torchvision_model("resnet18")
    path = tmp_path_factory.mktemp("weights") / "seeded.pth"
    torch.save(model.state_dict(), path)
    model.fc = torch.nn.Identity()
    return model, path
