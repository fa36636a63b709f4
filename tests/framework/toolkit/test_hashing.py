"""The hash of a file follows its content, and that of a large file in the hub's cache is its name."""

from __future__ import annotations

import hashlib

from vicinal.toolkit.hashing import hash_file


class TestHashFile:
    def test_it_follows_the_content(self, tmp_path):
        path = tmp_path / "file"
        for content in (b"one", b"another"):
            path.write_bytes(content)
            assert hash_file(path) == hashlib.sha256(content).hexdigest()

    def test_a_blob_of_the_hubs_cache_is_not_read(self, tmp_path):
        (tmp_path / "blobs").mkdir()
        blob = tmp_path / "blobs" / ("ab" * 32)
        blob.write_bytes(b"large")
        (tmp_path / "model.safetensors").symlink_to(blob)
        assert hash_file(tmp_path / "model.safetensors") == "ab" * 32
