"""What the pods of the manifests run, run here as processes: their commands, variables, probes, and how they end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import redis

import manifests
from manifest_checks import find_template
from servers import ROOT, end, free_port, wait_for_port

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
KEY = "a-key-of-the-tests"


@pytest.fixture(scope="module")
def rendered():
    if shutil.which("kubectl") is None:
        pytest.skip(manifests.NO_KUBECTL)
    return {target: manifests.parse(manifests.render(target)) for target in manifests.list_targets()}


class Pod:
    """The one container of a resource, as a process with its variables alone, and with other paths and ports."""

    def __init__(self, resources, kind, secret, moved, name=None):
        (resource,) = (one for one in resources if one["kind"] == kind and name in (None, one["metadata"]["name"]))
        (self.container,) = find_template(resource)["spec"]["containers"]
        settings = [one["data"] for one in resources if one["metadata"]["name"] == "vicinal-settings"]
        self.moved = moved
        given = dict(settings[0]) if settings and "envFrom" in self.container else {}
        for variable in self.container.get("env", []):
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            value = secret.get(reference["key"]) if reference else variable["value"]
            given |= {} if value is None else {variable["name"]: value}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {"PATH": path, "HOME": os.environ["HOME"]}
        self.environment |= {name: self.move(value) for name, value in given.items()}

    def move(self, text):
        for old, new in self.moved.items():
            text = text.replace(old, str(new))
        return re.sub(r"\$\((\w+)\)", lambda found: self.environment[found[1]], text)

    def command(self, *args):
        """What the container runs; ``args`` in place of the files that it is for."""
        words = [*self.container["command"], *(args or self.container["args"])]
        return [self.move(word) for word in words]

    def run(self, *args, cwd=None):
        """Run it to its end, and return what it prints."""
        done = subprocess.run(
            self.command(*args), env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def serve(self, cwd=None):
        """Run a server until it passes its startup probe, and end it as Kubernetes does."""
        process = subprocess.Popen(self.command(), env=self.environment, cwd=cwd, start_new_session=True)
        try:
            wait_for_port(self.moved["8000"], process, 300)
            with httpx.Client(base_url=f"http://127.0.0.1:{self.moved['8000']}", timeout=60) as client:
                for probe in ("startup", "liveness", "readiness"):
                    tries = self.container["startupProbe" if probe == "readiness" else f"{probe}Probe"][
                        "failureThreshold"
                    ]
                    self.wait_for_probe(client, self.container[f"{probe}Probe"], tries)
                yield client
            process.send_signal(signal.SIGTERM)
            assert process.wait(40) in (0, -signal.SIGTERM)
        finally:
            if process.poll() is None:
                end(process)

    @staticmethod
    def wait_for_probe(client, probe, tries):
        """Ask as often as Kubernetes does; until a pod is ready that is without an end, and here as long as a start."""
        said = ""
        for _ in range(tries):
            with suppress(httpx.TimeoutException):
                response = client.get(probe["httpGet"]["path"], timeout=probe["timeoutSeconds"])
                if response.status_code == 200:
                    return
                said = response.text
            time.sleep(probe["periodSeconds"])
        pytest.fail(f"{probe['httpGet']['path']} is not 200: {said}")


def list_files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


@pytest.fixture
def redis_pod(rendered, tmp_path):
    """The StatefulSet's Redis, with its own options and a password, and its URL."""
    port, data = free_port(), tmp_path / "redis"
    data.mkdir()
    pod = Pod(rendered["overlays/standalone"], "StatefulSet", {"REDIS_PASSWORD": "secret"}, {"/data": data})
    process = subprocess.Popen(
        [*pod.command(), "--port", str(port)], env=pod.environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    wait_for_port(port, process, 20)
    yield f"redis://:secret@127.0.0.1:{port}/0"
    end(process)


def test_redis_keeps_every_write_and_wants_its_password(redis_pod):
    client = redis.Redis.from_url(redis_pod)
    assert client.config_get("append*")["appendonly"] == "yes"
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(redis_pod.replace(":secret@", "")).ping()


def test_a_solution_of_ones_own_is_indexed_by_the_cronjob_and_served(rendered, redis_pod, milvus_server, tmp_path):
    resources = rendered["overlays/example"]
    solutions, uploads = tmp_path / "solutions", tmp_path / "uploads"
    solutions.mkdir()
    uploads.mkdir()
    (data,) = (one["data"] for one in resources if one["metadata"]["name"].startswith("vicinal-solutions-"))
    for name, text in data.items():
        (solutions / name).write_text(text, encoding="utf-8")
    files = list_files(solutions)
    secret = {"VICINAL_API_KEYS": f"another,{KEY}", "VICINAL_API_KEY": KEY, "REDIS_URL": redis_pod}
    address = next(one for one in resources if one["metadata"]["name"] == "vicinal-settings")["data"]["MILVUS_URI"]
    moved = {"/srv/solutions": solutions, "/srv/uploads": uploads, address: milvus_server, "8000": free_port()}
    job = Pod(resources, "CronJob", secret, moved, "vicinal-ingest")
    assert "3 items seen" in job.run() and "3 new" not in job.run()
    backups = {"s3://backups/vicinal": tmp_path / "backups", "sleep 60": "sleep 0"}
    backup = Pod(resources, "CronJob", secret, moved | backups, "vicinal-backup")
    assert "3 items" in backup.run()
    with pytest.raises(AssertionError, match=r"cannot read missing\.yaml"):  # the pod fails; the other one is backed up
        backup.run("missing.yaml", str(solutions / "faq.yaml"))
    assert len(list((tmp_path / "backups" / "faq").glob("*/manifest.json"))) == 2
    reindex = Pod(rendered["jobs/reindex"], "Job", secret, moved)
    reindex.environment |= job.environment
    assert "3 rows indexed" in reindex.run(str(solutions / "faq.yaml"), "--keep")
    with Pod(resources, "Deployment", secret, moved).serve() as client:
        assert client.get("/metrics").status_code == 401
        (monitor,) = (one for one in resources if one["kind"] == "ServiceMonitor")
        (endpoint,) = monitor["spec"]["endpoints"]
        headers = {"Authorization": f"Bearer {secret[endpoint['authorization']['credentials']['key']]}"}
        assert 'vicinal_ready{solution="faq"} 1.0' in client.get(endpoint["path"], headers=headers).text
        found = client.post("/api/faq/search", json={"query": "I forgot my password", "limit": 1}, headers=headers)
        assert [hit["key"] for hit in found.json()["hits"]] == ["reset"]
    assert list_files(solutions) == files  # a ConfigMap is read-only
    vicinal = Path(sys.executable).with_name("vicinal")
    subprocess.run([vicinal, "drop", solutions / "faq.yaml", "--yes"], env=job.environment, check=True)


def copy_samples(folder):
    """The image's working folder, as far as the server of the base reads it."""
    (folder / "data").mkdir(parents=True)
    for name in ("qa.yaml", "molecule.yaml", "data/qa.csv", "data/molecules.csv"):
        shutil.copy(ROOT / "configs" / name, folder / name)
    return list_files(folder)


def test_lite_is_served_and_indexed_by_a_command_in_its_pod_and_becomes_standalone(
    rendered, redis_pod, milvus_server, tmp_path
):
    folder, volume, uploads = tmp_path / "vicinal", tmp_path / "vicinal" / ".vicinal", tmp_path / "uploads"
    files = copy_samples(folder)
    (volume / "uploads").mkdir(parents=True)
    (volume / "uploads" / "a-file").write_text("of lite", encoding="utf-8")
    uploads.mkdir()
    keys = {"VICINAL_API_KEYS": KEY, "VICINAL_API_KEY": KEY}
    lite = Pod(rendered["overlays/lite"], "Deployment", keys, {"/srv/uploads": volume / "uploads", "8000": free_port()})
    target = ["--to", milvus_server, "--redis", redis_pod]
    with lite.serve(cwd=folder) as client:
        run_within(lite, folder, "ingest", "molecule.yaml")
        expected = find_nearest(client)
        run_within(lite, folder, "promote", "molecule.yaml", *target)
    moved = {"/srv/vicinal/.vicinal": volume, "/srv/uploads": uploads, "http://vicinal-milvus:19530": milvus_server}
    (job,) = rendered["jobs/promote"]
    (copying,) = find_template(job)["spec"]["initContainers"]
    promote = Pod([job], "Job", {"REDIS_URL": redis_pod}, moved)
    subprocess.run([promote.move(word) for word in copying["command"]], check=True)
    _, *args = promote.container["args"]
    assert "vectors have the same 10 nearest" in promote.run("molecule.yaml", *args, cwd=folder)
    assert (uploads / "a-file").read_text(encoding="utf-8") == "of lite"
    moved |= {"8000": free_port()}
    server = Pod(rendered["overlays/standalone"], "Deployment", {**keys, "REDIS_URL": redis_pod}, moved)
    with server.serve(cwd=folder) as client:
        assert find_nearest(client) == expected
    run_within(server, folder, "drop", "molecule.yaml", "--yes")
    assert {name for name in list_files(folder) if not name.startswith(".vicinal")} == {*files}


def run_within(pod, folder, *words):
    """A command of vicinal in a pod, as `kubectl exec` runs it."""
    subprocess.run(["vicinal", *words], env=pod.environment, cwd=folder, check=True, timeout=300)


def find_nearest(client):
    body = {"query": "@aspirin", "limit": 3}
    hits = client.post("/api/molecules/search", json=body, headers={"X-API-Key": KEY}).json()["hits"]
    return [(hit["key"], round(hit["similarity"], 6)) for hit in hits]
