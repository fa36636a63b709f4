"""The command ``serve``."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.errors import VicinalError

if TYPE_CHECKING:
    from vicinal.server.state import AppState


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; 0.0.0.0 listens on all interfaces.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="The port; 0 chooses a free one."
)
@click.option(
    "--root-path",
    metavar="PATH",
    help="The path under which a proxy serves this server, as /search; by default VICINAL_ROOT_PATH.",
)
def serve(files: tuple[Path, ...], host: str, port: int, root_path: str | None) -> None:
    """Serve the solutions FILE... over HTTP, with a web page at / and the API's description at /docs.

    Settings are environment variables such as VICINAL_API_KEYS and VICINAL_MAX_UPLOAD_MB. Ctrl-C stops the server and
    cancels a running ingest; finished batches are kept.

    While it runs with an embedded Milvus, `search`, `status`, `ingest`, `failures` and `remove` in other terminals are
    answered through it; if it wants an API key, they send VICINAL_API_KEY.
    """
    from vicinal.errors import DependencyError
    from vicinal.toolkit.logs import set_up_logging
    from vicinal.toolkit.tracing import require_propagators

    # numpy reads it at import. OpenBLAS threads spin for a while after each product, on the cores that the encoder
    # needs next: with Milvus Lite in the same process a batch of 32 texts takes 80 ms instead of 43.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    require_propagators()
    try:
        from vicinal.server import Settings, create_app
        from vicinal.server.serve import serve as serve_app
    except ImportError as error:
        raise DependencyError(f"{error.name} is not installed", hint="pip install 'vicinal[server]'") from error
    set_up_logging("%(asctime)s %(name)s %(levelname)s %(message)s", logging.WARNING)
    environment = os.environ if root_path is None else {**os.environ, "VICINAL_ROOT_PATH": root_path}
    app = create_app(files, settings=Settings.from_environment(environment))
    with listen(host, port) as listener:
        address, bound_port = listener.getsockname()[:2]
        display_host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
            address, f"[{address}]" if ":" in address else address
        )
        url = f"http://{display_host}:{bound_port}"
        serve_app(app, listener, lambda: _publish_and_print_url(app.state.vicinal, url))


def _publish_and_print_url(state: AppState, url: str) -> None:
    state.publish_address(url)
    click.echo(f"serving {', '.join(state.services)} at {url} (Ctrl-C stops it)")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        VicinalError: another program does, or this machine has no such address.
    """
    # With an explicit protocol asyncio sets TCP_NODELAY; without it a response may be delayed by 40 ms.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
        return listener
    except OSError as error:
        listener.close()
        raise VicinalError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="choose another port or address, or end what listens there",
        ) from error
