"""The pod of the overlay `lite`, run by `podman kube play`: as its manifest says, but for what podman cannot do.

Podman 4.3 takes no values of Secrets, no named ports and no probes by HTTP, so the test gives the values and asks the
probes' routes itself. It mounts the whole volume for a subPath, and gives it to the image's user, as fsGroup does.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest
import yaml

import manifests

IMAGE = "localhost/vicinal:molecule"
POD, SERVER = "vicinal-pod-0", "vicinal-pod-0-server"
CONFIG = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
"""
pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def podman(tmp_path, monkeypatch):
    """Run podman, as root, with the image that `EXTRAS=molecule deploy/build_image.sh` makes."""
    for tool in ("podman", "runc", "catatonit", "kubectl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here: apt-get install podman runc catatonit, and kubectl")
    (tmp_path / "containers.conf").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    monkeypatch.setenv("STORAGE_DRIVER", os.environ.get("STORAGE_DRIVER", "overlay"))

    def run(*words, check=True):
        done = subprocess.run(["podman", *words], capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    if subprocess.run(["podman", "image", "exists", IMAGE], capture_output=True).returncode:
        pytest.skip(f"no image {IMAGE}: EXTRAS=molecule deploy/build_image.sh builds it, as root")
    yield run
    run("pod", "rm", "--force", "--time=30", POD, check=False)
    run("volume", "rm", "--force", "vicinal-lite", check=False)


def write_pod(folder):
    """The settings, the volume and the Deployment of the overlay, each in a file that podman takes."""
    resources = manifests.parse(manifests.render("overlays/lite"))
    chosen = {
        one["kind"]: one for one in resources if one["kind"] in ("ConfigMap", "PersistentVolumeClaim", "Deployment")
    }
    (container,) = chosen["Deployment"]["spec"]["template"]["spec"]["containers"]
    probes = {container.pop(f"{name}Probe")["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    del container["ports"]
    container |= {"image": IMAGE, "imagePullPolicy": "Never"}
    container["args"].remove("qa.yaml")  # which the image of molecules lacks
    keys = [one["name"] for one in container["env"] if one["name"].startswith("VICINAL_")]
    container["env"] = [{"name": name, "value": "a-key"} for name in keys]
    volume, pod = folder / "volume.yaml", folder / "pod.yaml"
    volume.write_text(yaml.safe_dump(chosen["PersistentVolumeClaim"]), encoding="utf-8")
    pod.write_text(yaml.safe_dump_all([chosen["ConfigMap"], chosen["Deployment"]]), encoding="utf-8")
    return volume, pod, probes


def wait_until_ready(podman, probes):
    for path in sorted(probes):
        program = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000{path}', timeout=5).status)"
        deadline = time.monotonic() + 300
        while not podman("exec", SERVER, "python", "-c", program, check=False).startswith("200"):
            assert time.monotonic() < deadline, podman("logs", SERVER)
            time.sleep(1)


def test_the_pod_of_lite_runs_without_rights_and_keeps_its_data(podman, tmp_path):
    volume, pod, probes = write_pod(tmp_path)
    podman("kube", "play", "--network=none", str(volume))
    podman("kube", "play", "--network=none", str(pod))
    wait_until_ready(podman, probes)
    status = podman("exec", SERVER, "sh", "-c", "id -u; grep -hE '^(CapEff|NoNewPrivs|Seccomp):' /proc/1/status")
    assert status.split() == ["10001", "CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2"]
    assert "Read-only file system" in podman("exec", SERVER, "touch", "/srv/vicinal/file", check=False)
    podman("exec", SERVER, "touch", "/tmp/file", "/var/cache/vicinal/file", "/srv/uploads/file")
    report = json.loads(podman("exec", SERVER, "vicinal", "ingest", "molecule.yaml", "--json"))
    assert report["new"] == report["seen"] > 500

    podman("pod", "stop", "--time=45", POD)
    assert podman("inspect", "--format={{.State.ExitCode}}", SERVER).strip() == "0"
    podman("pod", "rm", POD)
    podman("kube", "play", "--network=none", str(pod))
    wait_until_ready(podman, probes)
    found = json.loads(podman("exec", SERVER, "vicinal", "search", "molecule.yaml", "@aspirin", "--json"))
    assert found["hits"][0]["key"] == "salicylic acid"
    assert json.loads(podman("exec", SERVER, "vicinal", "status", "molecule.yaml", "--json"))["items"] == report["seen"]
    assert "file" in podman("exec", SERVER, "ls", "/srv/uploads").split()
