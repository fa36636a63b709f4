"""A copy of a config's text has none of the secrets that a plugin's parameters may hold."""

from __future__ import annotations

import pytest
import yaml

from vicinal.config.yaml_secrets import redact_yaml

TEXT = """\
# how many: max_tokens
name: things
source: {type: api, api_key: 'it''s "secret"', url: "https://me:pass@example.org/a?b=c", tokens: 7}
encoder:
  type: remote
  access_key: "${ACCESS_KEY}"
  password:
  nested: [{auth_token: abc-123}, plain, "redis://:${REDIS_PASSWORD}@host"]
"""
REDACTED = """\
# how many: max_tokens
name: things
source: {type: api, api_key: '${API_KEY}', url: "https://me:…@example.org/a?b=c", tokens: 7}
encoder:
  type: remote
  access_key: "${ACCESS_KEY}"
  password:
  nested: [{auth_token: '${AUTH_TOKEN}'}, plain, "redis://:${REDIS_PASSWORD}@host"]
"""


def test_secrets_are_replaced_and_all_else_is_kept():
    assert redact_yaml(TEXT) == REDACTED
    assert redact_yaml(REDACTED) == REDACTED


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("token: |\n  abc\n  def\nname: x\n", "token: '${TOKEN}'\nname: x\n"),
        ("a: &key abc\nb: {token: *key}\n", "a: &key '${TOKEN}'\nb: {token: *key}\n"),
        ("a: {Authorization: Bearer abc}", "a: {Authorization: '${AUTHORIZATION}'}"),
        ("a: {x-api-key: abc}", "a: {x-api-key: '${X_API_KEY}'}"),
        ("secretAccessKey: abc", "secretAccessKey: '${SECRETACCESSKEY}'"),
        ("passwords: [abc, def]", "passwords: ['${PASSWORDS}', '${PASSWORDS}']"),
        ("tokens: {ada: abc, bob: 7}\nmax_tokens: 7", "tokens: {ada: '${TOKENS}', bob: 7}\nmax_tokens: 7"),
        ("pin: {password: 1234}", "pin: {password: '${PASSWORD}'}"),
        ("url: 'https://h/a?q=1&api_key=abc#x'", "url: 'https://h/a?q=1&api_key=…#x'"),
        ("url: https://h/?token=${TOKEN}", "url: https://h/?token=${TOKEN}"),
    ],
)  # fmt: skip
def test_each_way_to_write_a_secret_is_known_and_the_yaml_stays_one(text, redacted):
    assert redact_yaml(text) == redacted
    assert yaml.safe_load(redacted).keys() == yaml.safe_load(text).keys()
