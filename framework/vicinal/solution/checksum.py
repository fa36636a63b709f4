"""What a solution's configuration is recognized by in another process."""

from __future__ import annotations

from hashlib import blake2b

import orjson

from vicinal.config import SolutionConfig
from vicinal.stores import redact_url

__all__ = ["config_checksum"]


def config_checksum(config: SolutionConfig) -> str:
    """A checksum over all of a configuration but its secrets, with the places of both stores."""
    stores = [redact_url(config.stores.milvus), redact_url(config.stores.redis)]
    return blake2b(
        config.model_dump_json(exclude={"stores"}).encode() + orjson.dumps(stores), digest_size=8
    ).hexdigest()
