"""One solution at the server that serves it: requests about it, and jobs that are waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vicinal.config import SolutionConfig
from vicinal.errors import StoreBusyError, VicinalError
from vicinal.solution.api_client import ApiClient, ApiResponseError, to_vicinal_error
from vicinal.stores.milvus_lite_lock import LockHolder

__all__ = ["OnJob", "RemoteServer"]

OnJob = Callable[[Mapping[str, Any]], object]
"""Gets the server's job again and again while it runs, and once it has ended."""

_CONNECT_SECONDS = 10.0
_FIRST_POLL_SECONDS, _MAX_POLL_SECONDS = 0.05, 0.5


class RemoteServer:
    """The server that holds a solution's embedded Milvus, asked about this solution."""

    def __init__(self, config: SolutionConfig, holder: LockHolder, api_key: str, checksum: str | None) -> None:
        """
        Args:
            checksum: that of the configuration that it has to serve; None: any.

        Raises:
            ServerUnreachableError: the server does not respond.
            StoreBusyError: it does not serve this solution with this configuration, or wants an API key.
        """
        self._name = config.name
        self._busy = f"{config.stores.milvus} is in use by {holder.process}, and its server at {holder.url}"
        self._client = ApiClient(holder.url or "", api_key, _CONNECT_SECONDS)
        self.query: Mapping[str, Any] = self._find_solution(checksum, has_key=bool(api_key))["query"]
        """What the solution can be searched with, as the API says."""
        self._client.timeout = 10 * _CONNECT_SECONDS

    def _find_solution(self, checksum: str | None, *, has_key: bool) -> Mapping[str, Any]:
        """What the server says of this solution, if it serves it with this configuration."""
        try:
            served = self._client.request("GET", "/api/solutions")["solutions"]
        except ApiResponseError as error:
            if error.status != 401:
                raise error.to_vicinal_error() from None
            reason = "does not accept the key in VICINAL_API_KEY" if has_key else "wants an API key"
            raise StoreBusyError(f"{self._busy} {reason}", hint="set VICINAL_API_KEY to one of its keys") from None
        found: Mapping[str, Any] | None = next((one for one in served if one["name"] == self._name), None)
        if found is None:
            raise StoreBusyError(f"{self._busy} does not serve {self._name!r}", hint="stop the server first")
        if checksum not in (None, found.get("checksum")):
            raise StoreBusyError(
                f"{self._busy} serves another configuration of {self._name!r}",
                hint="`vicinal reindex` has it use the YAML as it is now, where the encoder or fields have changed;"
                " else restart the server",
            )
        return found

    def request(self, method: str, route: str, body: Any = None) -> Any:
        """The JSON that the server answers; ``body`` is sent as JSON.

        Raises:
            VicinalError: that which the server met.
        """
        try:
            return self._client.request(method, f"/api/{self._name}/{route}", body)
        except ApiResponseError as error:
            raise error.to_vicinal_error() from None

    def upload(self, route: str, file: Path, fields: Mapping[str, str]) -> Any:
        """The JSON that the server answers to a form with a file.

        Raises:
            ApiResponseError: the response is not a success.
            ItemError: the file cannot be read.
        """
        return self._client.upload(f"/api/{self._name}/{route}", file, fields)

    def run_job(self, route: str, options: Any, on_job: OnJob) -> Mapping[str, Any]:
        """The job that this starts, as it has ended well.

        Raises:
            KeyboardInterrupt: Ctrl-C; the job is cancelled, and finished batches are kept.
            VicinalError: that with which it has failed, or it was cancelled at the server.
        """
        job: Mapping[str, Any] = self.request("POST", route, options)
        try:
            job = self._wait_for_end(job, on_job)
        except KeyboardInterrupt:
            with suppress(VicinalError):  # it may just have ended
                self.request("DELETE", f"ingest/{job['id']}")
                self._wait_for_end(job, on_job)
            raise
        if job["state"] == "failed":
            raise to_vicinal_error(job["error_type"], job["error"], job["hint"])
        if job["state"] == "cancelled":
            raise VicinalError(
                f"the server at {self._client.url} has cancelled the run; finished batches are kept",
                hint="run the same command again to continue",
            )
        return job

    def _wait_for_end(self, job: Mapping[str, Any], on_job: OnJob) -> Mapping[str, Any]:
        """The job as it has ended."""
        pause = _FIRST_POLL_SECONDS
        while job["state"] in ("running", "cancelling"):
            on_job(job)
            time.sleep(pause)
            pause = min(1.5 * pause, _MAX_POLL_SECONDS)
            job = self.request("GET", f"ingest/{job['id']}")
        on_job(job)
        return job
