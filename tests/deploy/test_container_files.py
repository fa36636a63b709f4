"""The containers' files agree with the Compose specification, with one another and with the code; none is run here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from vicinal.server.middleware import _FORM_OVERHEAD_BYTES
from vicinal.server.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
ALONE = sorted(name for name in OURS if SERVICES[name].get("profiles") == [name])
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
INSTRUCTIONS = [
    (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
    for line in DOCKERFILE.splitlines()
    if line.strip() and not line.startswith("#")
]
ENTRYPOINT = (ROOT / "deploy" / "entrypoint.sh").read_text(encoding="utf-8")
NGINX = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGE = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")


def values(name):
    return [value for instruction, value in INSTRUCTIONS if instruction == name]


def stage(name):
    """The instructions of one stage."""
    names = [value.split()[-1] for value in values("FROM")]
    starts = [number for number, (instruction, _) in enumerate(INSTRUCTIONS) if instruction == "FROM"]
    start, end = starts[names.index(name)], [*starts, len(INSTRUCTIONS)][names.index(name) + 1]
    return INSTRUCTIONS[start:end]


def schema_errors(document):
    text = (files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json").read_text(encoding="utf-8")
    return [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(json.loads(text)).iter_errors(document)
    ]


def test_the_compose_file_obeys_the_specification():
    assert schema_errors(COMPOSE) == []


@pytest.mark.parametrize(
    "change",
    [{"healthchek": {}}, {"depends_on": {"redis": {"condition": "healthy"}}}, {"restart": True}, {"ports": 80}],
)
def test_a_mistake_in_it_would_be_found(change):
    assert schema_errors({**COMPOSE, "services": {"vicinal": {**SERVICES["vicinal"], **change}}}) != []


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check(name):
    """Ours have the image's."""
    assert "test" in SERVICES[name].get("healthcheck", {}) or (name in OURS and values("HEALTHCHECK"))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_once_those_it_needs_are_healthy(name):
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        assert set(SERVICES[needed].get("profiles", [])) <= set(SERVICES[name].get("profiles", []))


def test_ours_wait_for_both_stores():
    assert sorted(["replica", "vicinal", "vicinal-gpu", *ALONE]) == OURS
    assert all(set(SERVICES[name]["depends_on"]) == {"milvus", "redis"} for name in OURS)
    assert set(SERVICES["milvus"]["depends_on"]) == {"etcd", "minio"}


def test_passwords_come_from_the_environment_and_must_be_set():
    secret = re.compile(r"PASS|SECRET|KEY|AUTH", re.I)
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if secret.search(variable) and variable != "MINIO_ACCESS_KEY_ID":
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), (name, variable)
    assert re.search(
        r"redis://:\$\{REDIS_PASSWORD:\?[^}]+\}@redis:6379/0", SERVICES["vicinal"]["environment"]["REDIS_URL"]
    )
    command = SERVICES["redis"]["command"]
    assert command[command.index("--requirepass") + 1].startswith("${REDIS_PASSWORD:?")
    assert command[command.index("--appendonly") + 1] == "yes"


def test_the_page_tells_of_every_variable_that_must_be_set():
    required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    assert required == {"MINIO_PASSWORD", "REDIS_PASSWORD", "VICINAL_API_KEYS"}
    assert all(f"`{name}`" in PAGE for name in required)


def test_a_file_with_secrets_stays_out_of_the_repository_and_the_image():
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()[1] == "*"


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in OURS])
def test_images_of_others_are_pinned_and_documented(name):
    image, _, tag = SERVICES[name]["image"].rpartition(":")
    assert image and re.search(r"\d", tag) and tag != "latest"
    assert f"`{image}:{tag}`" in PAGE


def test_only_what_people_use_is_open_to_others():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    outside = {name for name, ports in published.items() if not all(port.startswith("127.0.0.1:") for port in ports)}
    assert outside == {"vicinal", "vicinal-gpu", "gateway", *ALONE}
    assert set(published) == outside | {"milvus", "redis"}
    hosts = [port for ports in published.values() for port in re.findall(r":-(\d+)\}", " ".join(ports))]
    assert len(hosts) == len(set(hosts)) == len(published)


def test_variables_of_vicinal_exist():
    known = {f"VICINAL_{name.upper()}" for name in Settings.model_fields}
    given = {variable for name in OURS for variable in SERVICES[name]["environment"] if variable.startswith("VICINAL_")}
    assert {"VICINAL_API_KEYS"} <= given <= known
    Settings.from_environment({"VICINAL_API_KEYS": "a", "VICINAL_CORS_ORIGINS": "", "VICINAL_MAX_UPLOAD_MB": "50"})


def test_other_variables_of_ours_are_read_by_the_code():
    code = "".join(
        file.read_text(encoding="utf-8") for top in ("framework", "plugins") for file in (ROOT / top).rglob("*.py")
    )
    for variable in ("MILVUS_URI", "REDIS_URL", "HF_HUB_OFFLINE", "HF_HOME", "TORCH_HOME"):
        assert f'"{variable}"' in code
    given = {variable for name in OURS for variable in SERVICES[name]["environment"]}
    assert {variable for variable in given if not variable.startswith("VICINAL_")} == {
        "MILVUS_URI",
        "REDIS_URL",
        "HF_HUB_OFFLINE",
    }


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists(name):
    for mount in SERVICES[name].get("volumes", []):
        source, target, *mode = mount.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (ROOT / source).exists() and mode == ["ro"]
        else:
            assert source in COMPOSE["volumes"] and mode == []


def test_named_volumes_are_all_in_use():
    used = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    assert set(COMPOSE["volumes"]) == {source for source in used if not source.startswith(".")}


def copied_solutions():
    """The YAML files that the image serves, as far as its extras allow."""
    return [name for value in values("COPY") for name in re.findall(r"configs/([\w-]+\.yaml)", value)]


def test_what_is_served_is_mounted_and_uploads_go_to_a_volume():
    served = SERVICES["vicinal"]["command"][3:]
    mounts = dict(mount.split(":")[:2][::-1] for mount in SERVICES["vicinal"]["volumes"])
    assert len(served) == 6 and served == copied_solutions()
    assert mounts[values("WORKDIR")[-1]] == "./configs"
    for file in served:
        source = yaml.safe_load((ROOT / "configs" / file).read_text(encoding="utf-8"))["source"]["path"]
        assert not Path(source).is_absolute() and (ROOT / "configs" / source).exists()
    assert mounts[SERVICES["vicinal"]["environment"]["VICINAL_UPLOADS"]] == "uploads"
    assert all(SERVICES[name]["volumes"] == SERVICES["vicinal"]["volumes"] for name in OURS)


def omit_own(service):
    return {key: value for key, value in service.items() if key not in ("profiles", "command", "ports")}


def test_a_profile_starts_one_solution_and_the_stores_alone():
    """Whatever has no profile is started with every one, so that is what the stores need and no service of ours."""
    assert ALONE == ["audio", "image", "molecule", "questions", "recommend", "video"]
    assert {name for name in SERVICES if "profiles" not in SERVICES[name]} == {"etcd", "milvus", "minio", "redis"}
    assert all(SERVICES[name]["profiles"] for name in OURS)
    for name in ALONE:
        assert omit_own(SERVICES[name]) == omit_own(SERVICES["vicinal"])


@pytest.mark.parametrize("name", ALONE)
def test_each_alone_serves_one_of_the_samples(name):
    *command, file = SERVICES[name]["command"]
    assert command == ["serve", "--host", "0.0.0.0"]
    assert (ROOT / "configs" / file).is_file()
    (port,) = SERVICES[name]["ports"]
    variable, number = re.fullmatch(r"\$\{(\w+):-(\d+)\}:8000", port).groups()
    solution = yaml.safe_load((ROOT / "configs" / file).read_text(encoding="utf-8"))["name"]
    row = f"| `docker compose --profile {name} up` | `{file}` | `{solution}` | {number} (`{variable}`) |"
    assert row in PAGE


def test_the_documented_env_file_has_compose_start_all_of_them():
    assert "echo COMPOSE_PROFILES=all >> .env" in PAGE
    assert [name for name in SERVICES if SERVICES[name].get("profiles") == ["all"]] == ["vicinal"]


def test_volumes_are_folders_of_the_image_that_its_user_may_write():
    """And none lies within a folder that is mounted read-only: it could not be made there."""
    made = re.search(r"install --directory --owner=vicinal --group=vicinal (.*)", " ".join(values("RUN")))[1].split()
    writable = [mount.split(":")[1] for mount in SERVICES["vicinal"]["volumes"] if not mount.endswith(":ro")]
    assert set(json.loads(values("VOLUME")[0])) <= set(writable) <= set(made)
    locked = [mount.split(":")[1] for mount in SERVICES["vicinal"]["volumes"] if mount.endswith(":ro")]
    assert not any(folder.startswith(f"{top}/") for folder in writable for top in locked)


def test_the_image_is_made_in_stages_of_a_python_that_vicinal_supports():
    assert [value.split()[-1] for value in values("FROM")] == ["vicinal", "requirements", "environment", "runtime"]
    version = re.search(r"^PYTHON=(\d+)\.(\d+)-slim-bookworm$", values("ARG")[0])
    assert PROJECT["requires-python"] == ">=3.11"
    assert (3, 11) <= (int(version[1]), int(version[2])) < (3, 15)


def test_the_image_runs_as_nobody_in_particular():
    runtime = stage("runtime")
    assert [value for instruction, value in runtime if instruction == "USER"] == ["vicinal"]
    last_of_root = max(n for n, (_, value) in enumerate(runtime) if "apt-get" in value or "useradd" in value)
    assert last_of_root < runtime.index(("USER", "vicinal")) < runtime.index(("ENTRYPOINT", '["vicinal-entrypoint"]'))


def test_the_image_is_made_of_the_repository_and_constrained_packages():
    assert values("ADD") == []
    installs = [value for value in values("RUN") if "pip install" in value]
    assert len(installs) == 4 and all("-c constraints.txt" in value or "--no-deps" in value for value in installs)
    assert "EXTRAS=all" in values("ARG") and "all" in PROJECT["optional-dependencies"]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for value in values("COPY"):
        if not value.startswith("--from"):
            for source in [word for word in value.split() if not word.startswith("--")][:-1]:
                top = "configs" if source.startswith("configs/") else source
                assert (ROOT / source).exists() and f"!{top}" in ignored
    for source in re.findall(r"source=(\S+?),", DOCKERFILE):
        assert (ROOT / source).exists() and f"!{source}" in ignored


@pytest.mark.parametrize(
    ("extras", "torch"),
    [
        ("server,molecule", []),
        ("server,recommend", []),
        ("server,text", ["torch"]),
        ("server,video", ["torch", "torchvision"]),
        ("server,all", ["torch", "torchaudio", "torchvision"]),
    ],
)
def test_torch_comes_with_the_extras_that_need_it(extras, torch):
    done = list_requirements(extras)
    names = [re.match(r"[\w-]+", line)[0] for line in done.stdout.splitlines()]
    assert {"pymilvus", "fastapi"} <= set(names) and "vicinal" not in names and len(names) == len(set(names))
    assert [name for name in names if name.startswith("torch")] == torch


def test_an_unknown_extra_ends_the_build():
    done = list_requirements("server,molecules")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no extra molecules; vicinal has all, audio, ")


def list_requirements(extras):
    """Run deploy/requirements.py as the image's build does."""
    command = [sys.executable, "deploy/requirements.py", extras]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_no_cache_of_the_build_is_left():
    for name in ("vicinal", "environment"):
        assert any("PIP_NO_CACHE_DIR=1" in value for instruction, value in stage(name) if instruction == "ENV")
    assert all("rm -rf /var/lib/apt/lists/*" in value for value in values("RUN") if "apt-get" in value)


def test_the_build_warms_all_that_the_image_serves():
    warmed = next(value for value in values("RUN") if "warm.py" in value)
    assert warmed.endswith('HF_HUB_OFFLINE=1 python /tmp/warm.py --extras "${EXTRAS}" *.yaml')
    assert "*.yaml" in ENTRYPOINT and '"$@"' in ENTRYPOINT


def test_the_health_check_asks_the_port_that_is_served():
    assert values("EXPOSE") == ["8000"]
    assert "serve --host 0.0.0.0 --port 8000" in ENTRYPOINT
    assert "http://127.0.0.1:8000/healthz" in values("HEALTHCHECK")[0]
    assert {port.rpartition(":")[2] for name in OURS for port in SERVICES[name].get("ports", [])} == {"8000"}


def test_nginx_takes_what_the_server_takes():
    limit = Settings().upload_bytes + _FORM_OVERHEAD_BYTES
    assert re.findall(r"client_max_body_size (\w+);", NGINX) == [str(limit)]
    assert f"more than the {limit / 1_000_000:.4g} MB that the server takes" in NGINX


def test_nginx_waits_longer_than_the_server_takes_or_is_silent():
    wait = int(re.search(r"proxy_read_timeout (\d+)s;", NGINX)[1])
    assert wait > max(Settings().request_timeout_seconds, 2 * Settings().heartbeat_seconds)


def test_nginx_passes_events_on_as_they_come():
    runs = NGINX[NGINX.index("location ~ ^/api/(?<named>[^/]+)/(ingest") :]
    assert "proxy_buffering off;" in runs[: runs.index("}")]


def test_nginx_has_the_error_body_of_the_server():
    bodies = re.findall(r"return (\d+) '(\{.*\})';", NGINX)
    assert [status for status, _ in bodies] == ["413", "503"]
    for status, text in bodies:
        body = json.loads(text)
        assert list(body) == ["ok", "error", "errors", "hint", "status"]
        assert (body["ok"], body["status"], body["errors"]) == (False, int(status), [body["error"]])


def test_nginx_asks_the_replicas():
    servers = re.findall(r"server (\w+):(\d+) resolve", NGINX)
    assert servers == [("replica", "8000")] * 2 and "replica" in SERVICES
    assert all(
        tag >= (1, 27, 3)
        for tag in [tuple(map(int, SERVICES["gateway"]["image"].split(":")[1].split("-")[0].split(".")))]
    )
