"""A server's settings: read from environment variables, checked, and shown without secrets."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from vicinal.errors import ConfigError
from vicinal.server import Settings


def test_settings_come_from_the_environment():
    variables = {
        "VICINAL_API_KEYS": " a, b ,",
        "VICINAL_MAX_UPLOAD_MB": "0.5",
        "VICINAL_MAX_LIMIT": "20",
        "VICINAL_PRELOAD_MODELS": "0",
        "VICINAL_UPLOADS": "/srv/uploads",
        "VICINAL_CORS_ORIGINS": "",
    }
    settings = Settings.from_environment(variables)
    assert (settings.api_keys, settings.upload_bytes, settings.max_limit) == (("a", "b"), 500_000, 20)
    assert (settings.preload_models, settings.uploads, settings.cors_origins) == (False, "/srv/uploads", ())
    assert Settings.from_environment({}) == Settings()


def test_invalid_settings_name_the_variable():
    with pytest.raises(ConfigError) as raised:
        Settings.from_environment(
            {"VICINAL_MAX_LIMIT": "many", "VICINAL_MAX_BATCH_DELAY_MS": "-1", "VICINAL_PRELOAD_MODELS": "perhaps"}
        )
    assert raised.value.problems == (
        "VICINAL_MAX_LIMIT: Input should be a valid integer, unable to parse string as an integer",
        "VICINAL_MAX_BATCH_DELAY_MS: Input should be greater than 0",
        "VICINAL_PRELOAD_MODELS: Input should be a valid boolean, unable to interpret input",
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("VICINAL_CLIENT_SECONDS", "VICINAL_CLIENT_TIMEOUT_SECONDS"),
        ("VICINAL_GATHER_MS", "VICINAL_MAX_BATCH_DELAY_MS"),
        ("VICINAL_MAX_SECONDS", "VICINAL_REQUEST_TIMEOUT_SECONDS"),
        ("VICINAL_MAX_WAITING", "VICINAL_MAX_QUEUED_QUERIES"),
        ("VICINAL_WARM", "VICINAL_PRELOAD_MODELS"),
        ("VICINAL_WATCH_SECONDS", "VICINAL_HEALTH_INTERVAL_SECONDS"),
    ],
)
def test_old_setting_names_the_new_one(old, new):
    with pytest.raises(ConfigError) as raised:
        Settings.from_environment({old: "1"})
    assert raised.value.problems == (f"{old}: is now {new}",)
    assert new.removeprefix("VICINAL_").lower() in Settings.model_fields


def test_settings_never_show_a_secret():
    settings = Settings(api_keys=("open-sesame",))
    assert "open-sesame" not in f"{settings!r} {settings}"
    with pytest.raises(ValidationError) as raised:
        Settings(api_keys={"open-sesame": 1}, max_limit="open-sesame")
    assert "open-sesame" not in str(raised.value)
