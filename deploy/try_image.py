"""Run the image and see that it works, by podman, as root: ``python deploy/try_image.py [EXTRAS] [--servers]``.

The image is ``localhost/vicinal:EXTRAS``, as ``deploy/build_image.sh`` makes it. It runs as ``docker-compose.yml`` has
it, with a read-only root, as user 10001, without capabilities, and with no network but the loopback. First alone, with
embedded stores on a volume; with ``--servers`` also beside a Redis and a Milvus server in containers of their own on
one loopback. Each sample solution of the image is ingested and searched; then all containers are restarted, and the
data must be there. Whatever is wrong ends it with exit code 1. The containers and volumes that it makes are removed.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# Without systemd there is no cgroup manager to ask and nothing that runs health checks: they are run from here.
PODMAN = ("podman", "--cgroup-manager", "cgroupfs", "--runtime", "runc")
LIMITS = ("--pull=never", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096", "--health-interval=disable")
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")
PREFIX = "vicinal-try"
VOLUMES = {"state": "/srv/vicinal/.vicinal", "uploads": "/srv/uploads", "cache": "/var/cache/vicinal"}
MOUNTS = tuple(f"--volume={PREFIX}-{name}:{path}" for name, path in VOLUMES.items())
MILVUS_IMAGE = "localhost/vicinal-milvus"
SHARED = f"container:{PREFIX}-loopback"
PASSWORD = secrets.token_hex(12)
VARIABLES = {
    "MILVUS_URI": "http://127.0.0.1:19530",
    "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:6379/0",
    "VICINAL_API_KEYS": secrets.token_hex(12),
    "VICINAL_UPLOADS": "/srv/uploads",
}
READY = """
import time, urllib.error, urllib.request
began = time.monotonic()
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:8000/readyz", timeout=30)
        break
    except urllib.error.HTTPError:
        if time.monotonic() - began > 60:
            raise
        time.sleep(0.2)
print(f"{time.monotonic() - began:.1f}")
"""
"""Waits until every solution can answer: after a restart Milvus loads its collections, which takes some seconds."""


@dataclass(frozen=True)
class Sample:
    """A sample solution: the extras that bring its encoder, how many items it has, and a query with its answer."""

    file: str
    extras: set[str]
    items: int
    query: str
    answer: str


SAMPLES = (
    Sample("qa.yaml", {"text"}, 175, "why was my second ingest over in a moment?", "second-run"),
    Sample("molecule.yaml", {"molecule"}, 579, "CC(=O)Oc1ccccc1C(=O)O", "aspirin"),
    Sample("image-offline.yaml", {"image", "video"}, 40, "data/cut-out.jpg", "fish/fish-4.jpg"),
    Sample("video.yaml", {"video"}, 8, "data/videos/train.jpg", "winter.mp4"),
    Sample("audio.yaml", {"audio"}, 36, "data/owl-in-the-rain.ogg", "birds/owl.ogg"),
    Sample("recommend.yaml", {"recommend"}, 360, "user:7", "191"),
)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def require(is_right: bool, what: str) -> None:
    """End the program unless this is right."""
    if not is_right:
        raise SystemExit(f"wrong: {what}")


def podman(*arguments: str, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
    """Run podman and return what it printed; a failure ends the program with its message."""
    done = subprocess.run((*PODMAN, *arguments), capture_output=True, text=True, check=False)
    require(may_fail or done.returncode == 0, f"podman {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done


def start(name: str, image: str, command: str = "", *, network: str, options: tuple[str, ...] = ()) -> None:
    """Start a container in the background."""
    named = ("--detach", f"--name={PREFIX}-{name}", f"--network={network}")
    podman("run", *named, *LIMITS, *HARDENED, *options, image, *command.split())


def run_once(image: str, command: str, *options: str) -> str:
    """Run a container until it ends, and return what it printed."""
    return podman("run", "--rm", "--network=none", *LIMITS, *HARDENED, *options, image, *command.split()).stdout


def stop_cleanly(name: str) -> float:
    """Stop a container by SIGTERM; it must end by itself, with exit code 0. Return how long that took."""
    began = time.monotonic()
    podman("stop", "--time=30", f"{PREFIX}-{name}")
    seconds = time.monotonic() - began
    code = podman("inspect", "--format={{.State.ExitCode}}", f"{PREFIX}-{name}").stdout.strip()
    require(code == "0", f"{name} ended with exit code {code}\n{read_logs(name)}")
    return seconds


def execute(name: str, *command: str) -> str:
    """Run a command in a container and return what it printed."""
    return podman("exec", f"{PREFIX}-{name}", *command).stdout


def wait_until_healthy(name: str, seconds: float = 180) -> float:
    """Run the image's health check until it passes, and return how long that took."""
    began = time.monotonic()
    while podman("healthcheck", "run", f"{PREFIX}-{name}", may_fail=True).returncode != 0:
        require(is_running(name), f"{name} ended\n{read_logs(name)}")
        require(time.monotonic() - began < seconds, f"{name} is not healthy after {seconds} s\n{read_logs(name)}")
        time.sleep(0.2)
    return time.monotonic() - began


def is_running(name: str) -> bool:
    """Whether a container has not ended."""
    return podman("inspect", "--format={{.State.Running}}", f"{PREFIX}-{name}").stdout.strip() == "true"


def read_logs(name: str) -> str:
    """What a container printed."""
    done = podman("logs", "--tail=50", f"{PREFIX}-{name}", may_fail=True)
    return done.stdout + done.stderr


@contextmanager
def removed_at_the_end(names: tuple[str, ...], volumes: tuple[str, ...]) -> Iterator[None]:
    """Remove containers, the last one first, and volumes, before (those of an earlier run) and after."""

    def remove() -> None:
        for name in reversed(names):
            podman("rm", "--force", "--ignore", "--volumes", "--time=0", f"{PREFIX}-{name}")
        for volume in volumes:
            podman("volume", "rm", "--force", f"{PREFIX}-{volume}", may_fail=True)

    remove()
    try:
        yield
    finally:
        remove()


def ingest(name: str, sample: Sample, *, is_first: bool) -> float:
    """Ingest a solution in a container; the second time nothing may be new. Return its seconds, start-up included."""
    began = time.monotonic()
    report = json.loads(execute(name, "vicinal", "ingest", sample.file, "--json"))
    expected = {"seen": sample.items, "new": sample.items if is_first else 0, "failed": 0}
    require(expected.items() <= report.items(), f"ingest of {sample.file}: {report}, expected {expected}")
    return time.monotonic() - began


def search(name: str, sample: Sample) -> float:
    """Search a solution in a container; its answer must come first. Return the seconds, start-up included."""
    began = time.monotonic()
    found = json.loads(execute(name, "vicinal", "search", sample.file, sample.query, "--limit", "3", "--json"))
    keys = [hit["key"] for hit in found["hits"]]
    require(keys[:1] == [sample.answer], f"search in {sample.file}: {keys}, expected {sample.answer}")
    return time.monotonic() - began


def check(printed: str, sample: Sample) -> None:
    """Metadata, vectors and ledger agree, by what `vicinal check` printed."""
    report = json.loads(printed)
    require(report["consistent"] and report["items"] == sample.items, f"check of {sample.file}: {report}")


def try_samples(name: str, samples: list[Sample]) -> None:
    """Ingest and search each solution in a container."""
    for sample in samples:
        ingested, searched = ingest(name, sample, is_first=True), search(name, sample)
        say(f"  {sample.file}: {sample.items} items in {ingested:.1f} s")
        say(f"    {sample.query!r} finds {sample.answer} in {searched:.1f} s")


def require_isolation(name: str) -> None:
    """The container runs as nobody in particular, can write where it must and nowhere else, and has no network."""
    require(execute(name, "id", "-u").strip() == "10001", "the container's user")
    devices = execute(name, "cat", "/proc/net/dev").splitlines()[2:]
    require([line.split(":")[0].strip() for line in devices] == ["lo"], f"network devices: {devices}")
    for folder in ("/", "/srv/vicinal", "/opt/vicinal", "/usr/local/bin"):
        done = podman("exec", f"{PREFIX}-{name}", "touch", f"{folder}/probe", may_fail=True)
        require(done.returncode != 0, f"{folder} can be written")
    for folder in ("/tmp", *VOLUMES.values()):
        execute(name, "sh", "-c", f"touch {folder}/probe && rm {folder}/probe")
    say("  user 10001, no device but the loopback, the root is read-only")


def describe_image(image: str, extras: set[str]) -> list[Sample]:
    """Print the image's size, and return its solutions: those that its extras allow, and no other."""
    (found,) = json.loads(podman("image", "inspect", image).stdout)
    samples = [sample for sample in SAMPLES if extras & {"all", *sample.extras}]
    files = [file for file in run_once(image, "/srv/vicinal", "--entrypoint=ls").split() if file.endswith(".yaml")]
    require(files == sorted(sample.file for sample in samples), f"solutions of the image: {files}")
    say(f"{image}: {found['Size'] / 1e9:.2f} GB; it serves {', '.join(files)}")
    return samples


def try_embedded(image: str, samples: list[Sample]) -> None:
    """The image alone: a server without arguments and with embedded stores on a volume."""
    say("alone, embedded stores:")
    with removed_at_the_end(("app", "idle"), tuple(VOLUMES)):
        start("idle", image, "infinity", network="none", options=("--entrypoint=sleep",))
        unhealthy = podman("healthcheck", "run", f"{PREFIX}-idle", may_fail=True).returncode
        require(unhealthy == 1, f"the health check where nothing is served: {unhealthy}")
        start("app", image, network="none", options=MOUNTS)
        say(f"  healthy after {wait_until_healthy('app'):.1f} s")
        require_isolation("app")
        try_samples("app", samples)
        say(f"  stopped in {stop_cleanly('app'):.1f} s")
        for sample in samples:
            check(run_once(image, f"check {sample.file} --json", *MOUNTS), sample)
        podman("start", f"{PREFIX}-app")
        say(f"  healthy again after {wait_until_healthy('app'):.1f} s")
        for sample in samples:
            ingest("app", sample, is_first=False)
            search("app", sample)
        say("  each `check` is consistent, nothing is new, each answer is the same")


def start_servers(image: str) -> None:
    """Redis and Milvus with the settings of `docker-compose.yml`, on the loopback of a container that does nothing."""
    start("loopback", image, "infinity", network="none", options=("--entrypoint=sleep",))
    redis = ("--entrypoint=redis-server", f"--volume={PREFIX}-redis:/data:U", f"--env=REDISCLI_AUTH={PASSWORD}")
    pong = ("--health-cmd=redis-cli ping | grep -q PONG",)
    command = f"--dir /data --appendonly yes --requirepass {PASSWORD}"
    start("redis", image, command, network=SHARED, options=redis + pong)
    data = (f"--volume={PREFIX}-milvus:/opt/milvus/data",)
    start("milvus", MILVUS_IMAGE, network=SHARED, options=data)
    for name in ("redis", "milvus"):
        say(f"  {name} healthy after {wait_until_healthy(name):.1f} s")


def try_beside_servers(image: str, samples: list[Sample]) -> None:
    """The image beside a Redis and a Milvus server, each in a container of its own; then all are restarted."""
    say("beside a Redis and a Milvus server:")
    with removed_at_the_end(("loopback", "redis", "milvus", "app"), ("redis", "milvus", *VOLUMES)):
        start_servers(image)
        variables = tuple(f"--env={name}={value}" for name, value in VARIABLES.items())
        start("app", image, network=SHARED, options=(*MOUNTS, *variables))
        say(f"  healthy after {wait_until_healthy('app'):.1f} s")
        try_samples("app", samples)
        say(f"  stopped in {stop_cleanly('app'):.1f} s")
        podman("stop", "--time=60", f"{PREFIX}-milvus")  # whose own exit code is 2
        stop_cleanly("redis")
        for name in ("redis", "milvus", "app"):
            podman("start", f"{PREFIX}-{name}")
            say(f"  {name} healthy again after {wait_until_healthy(name):.1f} s")
        say(f"  app ready {execute('app', 'python', '-c', READY).strip()} s later")
        for sample in samples:
            search("app", sample)
            ingest("app", sample, is_first=False)
            check(execute("app", "vicinal", "check", sample.file, "--json"), sample)
        say("  each `check` is consistent, nothing is new, each answer is the same")


def main() -> None:
    """Parse the arguments, and try the image."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("extras", nargs="?", default="all")
    parser.add_argument("--servers", action="store_true", help=f"also beside servers; needs {MILVUS_IMAGE}")
    given = parser.parse_args()
    os.environ.setdefault("STORAGE_DRIVER", "overlay")
    image = f"localhost/vicinal:{given.extras.replace(',', '-')}"
    samples = describe_image(image, set(given.extras.split(",")))
    try_embedded(image, samples)
    if given.servers:
        try_beside_servers(image, samples)


if __name__ == "__main__":
    main()
