"""``HEAD``: what ``GET`` would answer, without the body."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Head"]


class Head:
    """ASGI middleware that lets every route for ``GET`` answer ``HEAD``; a body that streams is broken off at once."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope, receive, send = _without_body(scope, receive, send)
        await self._app(scope, receive, send)


def _without_body(scope: Scope, receive: Receive, send: Send) -> tuple[Scope, Receive, Send]:
    """The request as one for ``GET``, whose client leaves when it has the headers."""
    asked, answered = False, asyncio.Event()

    async def received() -> Message:
        nonlocal asked
        if not asked:
            asked = True
            return await receive()
        await answered.wait()
        return {"type": "http.disconnect"}

    async def sent(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
        elif not answered.is_set():
            answered.set()
            await send({"type": "http.response.body"})

    return {**scope, "method": "GET"}, received, sent
