"""A reverse proxy that serves a server under a path prefix, as nginx or Traefik do."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade"}


def _create_proxy(target, prefix, strips_prefix):
    @asynccontextmanager
    async def lifespan(app):
        async with httpx.AsyncClient(base_url=target, timeout=60) as client:
            app.state.client = client
            yield

    async def forward(request):
        path = request.scope["raw_path"].decode()
        if path != prefix and not path.startswith(f"{prefix}/"):
            return PlainTextResponse("another application", 404)
        path = path.removeprefix(prefix) or "/" if strips_prefix else path
        upstream = request.app.state.client.build_request(
            request.method,
            httpx.URL(target + path, query=request.url.query.encode()),
            headers=[(name, value) for name, value in request.headers.raw if name.decode() not in _HOP_BY_HOP],
            content=await request.body(),
        )
        response = await request.app.state.client.send(upstream, stream=True)
        close = BackgroundTask(response.aclose)
        proxied = StreamingResponse(response.aiter_raw(), response.status_code, background=close)
        proxied.raw_headers = [
            (name.lower(), value) for name, value in response.headers.raw if name.decode().lower() not in _HOP_BY_HOP
        ]
        return proxied

    methods = ["GET", "HEAD", "POST", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", forward, methods=methods)], lifespan=lifespan)


@contextmanager
def run_prefix_proxy(target, prefix, *, strips_prefix=True):
    """Serve ``target`` under a prefix on a free port while the block runs; gives the URL without the prefix."""
    app = _create_proxy(target, prefix, strips_prefix)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the proxy ended while it started"
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
