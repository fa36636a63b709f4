"""An assistant: it starts ``vicinal mcp`` as one does, and asks by the client of the protocol's own SDK."""

from __future__ import annotations

import asyncio
import sys

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from serve_process import make_plugin_environment


class Assistant:
    """Starts the command for some files, as an assistant does, and calls its tools."""

    def __init__(self, folder):
        self.log_file = folder / "mcp.log"
        self.environment = make_plugin_environment(folder, {})

    def connect(self, *files, log=None):
        """A client of a new process; what that writes to stderr goes to ``log``."""
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", "vicinal", "mcp", *map(str, files)], env=self.environment
        )
        return Client(stdio_client(parameters, errlog=log or sys.stderr), read_timeout_seconds=60)

    def call(self, *files, calls):
        """The results of several calls in one process, which must write nothing to stderr."""

        async def talk():
            with self.log_file.open("w") as log:
                async with self.connect(*files, log=log) as client:
                    return [await client.call_tool(name, arguments) for name, arguments in calls]

        results = asyncio.run(talk())
        assert self.log_file.read_text() == ""
        return results

    def fail(self, *files, calls):
        """The texts of the errors of several calls, each of which must say what to do."""
        results = self.call(*files, calls=calls)
        for result in results:
            assert result.is_error
            assert result.structured_content["hint"]
            assert "Traceback" not in result.content[0].text
        return [result.content[0].text for result in results]


def keys(result):
    return [hit["key"] for hit in result.structured_content["hits"]]
