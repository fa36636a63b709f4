"""The image is built and run, alone and beside servers: deploy/build_image.sh and deploy/try_image.py.

Base image and layers are kept, so that the next build takes only what changed. A mirror of packages that pip.conf names
by a path is mounted by BUILD_OPTIONS, see deploy/build_image.sh.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from servers import ROOT

TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
ANSWER = re.compile(r"^    '(.+)' finds (\S+) in [\d.]+ s$", re.M)

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(bool(MISSING), reason=f"{', '.join(MISSING)} not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="images are built and run as root"),
]


def run(*command, **variables):
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    ("extras", "solutions", "maximal_gb"),
    [
        ("molecule", ["molecule.yaml"], 1.5),
        ("all", ["audio.yaml", "image-offline.yaml", "molecule.yaml", "qa.yaml", "recommend.yaml", "video.yaml"], 10),
    ],
)
def test_the_image_works_alone_and_beside_servers(extras, solutions, maximal_gb):
    """Answers, isolation, health check, restarts and consistency are required by the program itself."""
    run("deploy/build_image.sh", EXTRAS=extras, MILVUS="1")
    printed = run(sys.executable, "deploy/try_image.py", extras, "--servers")
    size, served = re.search(rf"^localhost/vicinal:{extras}: ([\d.]+) GB; it serves (.+)$", printed, re.M).groups()
    assert served.split(", ") == solutions
    assert float(size) < maximal_gb
    assert len(ANSWER.findall(printed)) == 2 * len(solutions)
    assert printed.endswith("ready; each `check` is consistent, nothing is new, each answer is the same\n")
