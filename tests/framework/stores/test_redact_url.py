"""What of a store's location is shown."""

from __future__ import annotations

import pytest

from vicinal.stores import redact_url


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/data/redis", "/data/redis"),
        ("rel/a@b", "rel/a@b"),
        ("redis://h:6379/0", "redis://h:6379/0"),
        ("redis://:hunter2@h/0", "redis://…@h/0"),
        ("rediss://ada:hunter2@h:6380/0?db=1", "rediss://…@h:6380/0?db=1"),
        ("http://root:hunter2@milvus:19530", "http://…@milvus:19530"),
        ("unix:///s.sock?password=hunter2", "unix:///s.sock?password=…"),
        ("unix://ada:hunter2@/s.sock", "unix://…@/s.sock"),
        ("redis://h/0?db=2&password=hunter2", "redis://h/0?db=2&password=…"),
        ("redis://h/0?p%61ssword=hunter2", "redis://h/0?p%61ssword=…"),
        ("https://milvus.example.com?token=hunter2", "https://milvus.example.com?token=…"),
        ("redis://h?db=hunter2", "redis://h?db=…"),
        ("redis://h/0?hunter2", "redis://h/0?…"),
        ("redis://h/0#hunter2", "redis://h/0#…"),
        ("redis://:hun@ter2@h/0", "redis://…@h/0"),
        ("redis://:hun/ter2@h/0", "redis://…@h/0"),
        ("redis://:hun?ter2@h/0", "redis://…"),
        ("redis://:hun#ter2@h/0", "redis://…"),
        ("redis://h/0?password=hun@ter2&db=1", "redis://…"),
        ("redis+sentinel://ada:hunter2@h,h2:1/mymaster/0", "redis+sentinel://…@h,h2:1/mymaster/0"),
        ("redis+sentinel://h/mymaster?sentinel_password=hunter2", "redis+sentinel://h/mymaster?sentinel_password=…"),
        ("rediss+cluster://:hun,ter2@h:1,h2:2", "rediss+cluster://…@h:1,h2:2"),
        ("ada:hunter2@h:6379", "…@h:6379"),
        ("ada:hun/ter2@h", "…@h"),
        ("redis:/:hunter2@h", "…@h"),
    ],
)
def test_nothing_of_a_password_or_token_is_shown(location, shown):
    assert redact_url(location) == shown
    assert "hunter2" not in shown
    assert "ter2" not in shown
