"""Weights of torch.hub: its cache, downloads that fail within seconds, and files that are no weights."""

from __future__ import annotations

import hashlib
import http.server
import io
import pickle
import threading
import time

import pytest
import torch

from vicinal.errors import DependencyError, PluginError
from vicinal.toolkit.torch_hub import checkpoints_dir, download_weights, load_state_dict, require_available


def pack(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


WEIGHTS = pack({"layer.weight": torch.ones(2, 3)})


class FileServer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_error(403)

    def do_GET(self):
        self.send_response(200)
        promised = len(WEIGHTS) + (1000 if "short" in self.path else 0)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(WEIGHTS)

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("VICINAL_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FileServer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_cache_is_that_of_torch_hub(monkeypatch, tmp_path):
    for name, value in (("TORCH_HOME", tmp_path / "a"), ("XDG_CACHE_HOME", tmp_path / "b")):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        monkeypatch.setenv(name, str(value))
        assert str(checkpoints_dir()) == f"{torch.hub.get_dir()}/checkpoints"


def test_a_file_is_downloaded_once(site, tmp_path, monkeypatch):
    path = require_available(f"{site}/models/a.pth")
    assert not path.exists()
    assert download_weights(f"{site}/models/a.pth") == path == tmp_path / "torch" / "hub" / "checkpoints" / "a.pth"
    assert load_state_dict(path)["layer.weight"].shape == (2, 3)
    monkeypatch.setenv("VICINAL_OFFLINE", "1")
    assert download_weights(f"{site}/models/a.pth") == path
    assert [each.name for each in path.parent.iterdir()] == ["a.pth"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("short.pth", "the download ended early"), ("a-00000000.pth", "not the published one: its SHA-256 differs")],
)
def test_a_download_that_is_not_the_file_is_discarded(site, name, reason):
    with pytest.raises(DependencyError, match=reason):
        download_weights(f"{site}/{name}")
    assert not list(checkpoints_dir().iterdir())


def test_a_site_that_is_unreachable_is_an_error_within_seconds(site, monkeypatch):
    started = time.monotonic()
    with pytest.raises(DependencyError, match=r"weights a\.pth were not found locally .* does not respond") as caught:
        require_available("http://127.0.0.1:9/models/a.pth", "do without")
    assert time.monotonic() - started < 10
    assert caught.value.hint == (
        f"download it from http://127.0.0.1:9/models/ to {checkpoints_dir()} (or set TORCH_HOME), or set `weights:` to"
        " the path of a file; or `vicinal bundle FILE --out DIR` there, and VICINAL_MODELS=DIR here; do without"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DependencyError, match="HF_HUB_OFFLINE forbids downloads"):
        require_available(f"{site}/models/a.pth")


@pytest.mark.parametrize("wrap", [dict, lambda it: {"state_dict": it}, lambda it: {"model": it, "epoch": 3}])
def test_state_dicts_are_unwrapped(tmp_path, wrap):
    torch.save(wrap({"module.layer.weight": torch.ones(2)}), tmp_path / "a.pth")
    assert list(load_state_dict(tmp_path / "a.pth")) == ["layer.weight"]


class Code:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no weights", "cannot be read as weights: "),
        (pickle.dumps(Code()), "cannot be read as weights: "),
        (pack([torch.ones(1)]), "holds no state dict"),
        (pack({"a": 1}), "holds no state dict"),
    ],
)
def test_other_files_are_refused(tmp_path, content, reason, capsys):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(PluginError, match=reason):
        load_state_dict(tmp_path / "a.pth")
    assert capsys.readouterr().out == "", "nothing in the file runs"


def test_a_name_that_states_a_hash_is_believed_only_if_it_is_true(tmp_path):
    true = tmp_path / f"net-{hashlib.sha256(WEIGHTS).hexdigest()[:8]}.pth"
    for path in (true, tmp_path / "net-00000000.pth"):
        path.write_bytes(WEIGHTS)
    assert load_state_dict(true)
    with pytest.raises(PluginError, match="is not the file that its name states: its SHA-256 begins with"):
        load_state_dict(tmp_path / "net-00000000.pth")
