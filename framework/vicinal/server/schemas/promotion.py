"""Copying a solution to other stores, as a command of the same machine asks a server for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from vicinal.server.schemas.fields import RequestBody

__all__ = ["PromotionRequest", "ReleaseRequest"]


class ReleaseRequest(RequestBody):
    secret: Annotated[str, Field(max_length=100)]
    """What the server has written beside its embedded Milvus, for those who may read that."""


class PromotionRequest(ReleaseRequest):
    milvus: str
    redis: str
    token: str | None = None
    queries: Annotated[int, Field(ge=0, le=10_000)] = 100
    hand_over: bool = False
