"""The command ``mcp``."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from vicinal.cli.serve import listen


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--http",
    "port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Answer at http://127.0.0.1:PORT/mcp, only on this machine, instead of on standard input and output.",
)
def mcp(files: tuple[Path, ...], port: int | None) -> None:
    """Serve the solutions FILE... to assistants, as tools of the Model Context Protocol.

    The tools search, find items like one, show an item, and tell what there is; none of them changes anything or reads
    a file that a client names. An assistant starts this command itself and talks to it on standard input and output;
    messages for people go to stderr.

    An embedded Milvus is opened for each call, so that other commands and assistants can use it in between; while
    `vicinal serve` runs with it, calls are answered through that server.
    """
    from vicinal.errors import DependencyError
    from vicinal.toolkit.logs import set_up_logging

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as for `serve`
    try:
        from vicinal.mcp.server import serve_http, serve_stdio
    except ImportError as error:
        raise DependencyError(f"{error.name} is not installed", hint="pip install 'vicinal[mcp]'") from error
    from vicinal.mcp.tools import Toolbox

    toolbox = Toolbox(files)
    # Other packages log, as errors with tracebacks, what vicinal handles.
    set_up_logging("%(asctime)s %(name)s %(levelname)s %(message)s", logging.CRITICAL)
    logging.getLogger("vicinal").setLevel(logging.WARNING)
    if port is None:
        serve_stdio(toolbox)
        return
    with listen("127.0.0.1", port) as listener:
        click.echo(f"serving {', '.join(toolbox.names)} at http://127.0.0.1:{port}/mcp (Ctrl-C stops it)", err=True)
        serve_http(toolbox, listener)
