"""A copy of a config's text has none of the secrets that a plugin's parameters may hold."""

from __future__ import annotations

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
