"""`vicinal serve` with copies of the sample solutions, and the browser to open its page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx

from servers import ROOT, end

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SAMPLES = ("molecule", "qa", "image-offline", "audio", "video")
NAMES = ("molecules", "qa", "images-offline", "audio", "videos")


class SampleServer:
    """``vicinal serve`` as a user starts it, and an HTTP client."""

    def __init__(self, folder, *names, **environment):
        self.folder = folder
        vicinal = Path(sys.executable).with_name("vicinal")
        self.log = (folder / "server.log").open("w+")
        self.process = subprocess.Popen(
            [vicinal, "serve", "--port", "0", *(f"{name}.yaml" for name in names)],
            cwd=folder,
            env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.url = self._wait_for_url()
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def _wait_for_url(self):
        log = Path(self.log.name)
        deadline = time.monotonic() + 60
        while not (found := re.search(r"http://[\d.:]+", log.read_text())):
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        return found[0]

    def ingest(self, *names):
        """Index these solutions concurrently."""
        jobs = {name: self.client.post(f"/api/{name}/ingest").json() for name in names}
        for name, job in jobs.items():
            while (job := self.client.get(f"/api/{name}/ingest/{job['id']}").json())["ended"] is None:
                time.sleep(0.1)
            assert (job["state"], job["failed"]) == ("done", 0), job

    def close(self):
        self.client.close()
        end(self.process)
        self.log.close()


def copy_samples(folder):
    """Copy the sample solutions, without what is indexed."""
    shutil.copytree(ROOT / "configs", folder, ignore=shutil.ignore_patterns(".vicinal", "*.py"), dirs_exist_ok=True)
    return folder


def find_browser():
    """Return the path of a browser; None if there is none."""
    return os.environ.get("VICINAL_TEST_BROWSER") or next(filter(None, map(shutil.which, BROWSERS)), None)
