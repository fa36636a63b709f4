"""The Kubernetes manifests obey the schemas, the restricted pod security standard, one another and the code.

The files are checked as they are, and rendered where kubectl is. No cluster is asked.
"""

from __future__ import annotations

import ast
import copy
import re
import shutil
import subprocess
import tomllib
from os.path import relpath
from pathlib import Path

import pytest
import yaml

import manifests
from manifest_checks import check_all, check_resource, find_template
from vicinal import create_manager
from vicinal.config import check_config
from vicinal.errors import ExitCode
from vicinal.server.settings import _RENAMED, Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
SETTINGS = FOLDER / "base" / "settings.yaml"
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
NO_VARIABLES = {"MAX_DATA_FILES", "COMPACTION_MIN_FILES_PER_BUCKET"}
"""Constants of Milvus Lite, whose names stand in a module that reads the environment."""


def list_patches():
    """The files that change a resource of another folder, and are none by themselves."""
    found = set()
    for file in FOLDER.rglob("kustomization.yaml"):
        patches = yaml.safe_load(file.read_text(encoding="utf-8")).get("patches", [])
        found |= {file.parent / patch["path"] for patch in patches if "path" in patch}
    return found


def read_resources():
    """Each resource of each file, before anything is rendered, with the file's name."""
    files = {file for file in FOLDER.rglob("*.yaml") if file.name != "kustomization.yaml"}
    files -= {*list_patches(), *FOLDER.rglob("solutions/*")}
    return [
        pytest.param(resource, id=f"{file.relative_to(FOLDER)}-{resource['kind']}")
        for file in sorted(files)
        for resource in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]


RESOURCES = read_resources()
SERVER, CRONJOB, BACKUP, MILVUS, MONITOR = (
    next(one.values[0] for one in RESOURCES if one.id == name)
    for name in (
        "base/deployment.yaml-Deployment",
        "components/ingest/cronjob.yaml-CronJob",
        "components/backup/cronjob.yaml-CronJob",
        "overlays/cluster/milvus.yaml-Milvus",
        "components/monitoring/service-monitor.yaml-ServiceMonitor",
    )
)


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_resource_is_valid_and_secure(resource):
    assert check_resource(resource) == []


def change(resource, path, value):
    """A copy of the resource with another value there; None removes what is there."""
    changed = copy.deepcopy(resource)
    *parents, last = path
    place = changed
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return changed


POD = ("spec", "template", "spec")
CONTAINER = (*POD, "containers", 0)


@pytest.mark.parametrize(
    ("resource", "path", "value", "problem"),
    [
        (SERVER, (*CONTAINER, "livenesProbe"), {"httpGet": {"path": "/healthz", "port": "http"}}, "livenesProbe"),
        (SERVER, (*CONTAINER, "readinessProbe", "httpGet", "pth"), "/readyz", "'pth' was unexpected"),
        (SERVER, (*CONTAINER, "readinessProbe", "httpGet", "path"), "/healthz", "does not ask /readyz"),
        (SERVER, (*CONTAINER, "livenessProbe", "httpGet", "path"), "/readyz", "does not ask /healthz"),
        (SERVER, (*CONTAINER, "startupProbe"), None, "there is no startupProbe"),
        (SERVER, (*CONTAINER, "livenessProbe", "periodSeconds"), "10", "is not of type 'integer'"),
        (SERVER, (*POD, "securityContext", "runAsNonRoot"), False, "may run as root"),
        (SERVER, (*POD, "securityContext", "runAsUser"), 0, "may run as root"),
        (SERVER, (*CONTAINER, "securityContext", "runAsUser"), 0, "runs as root"),
        (SERVER, (*CONTAINER, "securityContext", "readOnlyRootFilesystem"), False, "may write to its image"),
        (SERVER, (*CONTAINER, "securityContext", "capabilities"), {"add": ["SYS_ADMIN"]}, "keeps capabilities"),
        (SERVER, (*CONTAINER, "securityContext", "allowPrivilegeEscalation"), None, "may gain privileges"),
        (SERVER, (*POD, "securityContext", "seccompProfile"), None, "seccompProfile"),
        (SERVER, (*POD, "automountServiceAccountToken"), None, "a token of Kubernetes"),
        (SERVER, (*POD, "volumes", 0), {"name": "tmp", "hostPath": {"path": "/tmp"}}, "a volume is a hostPath"),
        (SERVER, (*POD, "hostNetwork"), True, "hostNetwork is set"),
        (SERVER, (*CONTAINER, "resources", "limits"), None, "no limit of memory"),
        (CRONJOB, ("spec", "concurrencyPolicy"), "Allow", "two of its Jobs may run at once"),
        (BACKUP, ("spec", "concurrencyPolicy"), None, "two of its Jobs may run at once"),
        (BACKUP, ("spec", "jobTemplate", "spec", "backofLimit"), 0, "'backofLimit' was unexpected"),
        (MILVUS, ("spec", "components", "queryNode", "replica"), 2, "'replica' was unexpected"),
        (MILVUS, ("spec", "mode"), "distributed", "is not one of"),
        (MILVUS, ("spec", "components", "image"), "milvusdb/milvus:latest", "does not match"),
        (MONITOR, ("spec", "endpoints", 0, "interval"), 15, "is not of type 'string'"),
    ],
)
def test_a_mistake_is_refused(resource, path, value, problem):
    assert any(problem in found for found in check_resource(change(resource, path, value)))


@pytest.fixture(scope="module")
def rendered():
    """What would be applied, by folder."""
    if shutil.which("kubectl") is None:
        pytest.skip(manifests.NO_KUBECTL)
    return {target: manifests.parse(manifests.render(target)) for target in manifests.list_targets()}


@pytest.mark.parametrize("target", manifests.list_targets())
def test_what_is_rendered_is_valid_secure_and_complete(rendered, target):
    assert check_all(rendered[target], manifests.list_beside(target, rendered)) == []


def test_a_name_that_is_not_there_is_found(rendered):
    resources = [one for one in rendered["overlays/standalone"] if one["kind"] != "PersistentVolumeClaim"]
    assert "Deployment vicinal: there is no PersistentVolumeClaim vicinal-uploads" in check_all(resources)
    resources = [one for one in rendered["overlays/standalone"] if one["kind"] != "Deployment"]
    assert {
        "HorizontalPodAutoscaler vicinal: there is no Deployment vicinal",
        "PodDisruptionBudget vicinal: selects nothing",
        "Service vicinal: selects no pods, or none with such a port",
    } <= set(check_all(resources))


def count_kinds(resources):
    kinds = [resource["kind"] for resource in resources]
    return {kind: kinds.count(kind) for kind in kinds}


def test_lite_is_one_pod_on_one_volume(rendered):
    resources = rendered["overlays/lite"]
    assert count_kinds(resources) == dict.fromkeys(
        ("Namespace", "ServiceAccount", "ConfigMap", "Service", "PersistentVolumeClaim", "Deployment", "NetworkPolicy"),
        1,
    )
    (server,) = (resource for resource in resources if resource["kind"] == "Deployment")
    assert (server["spec"]["replicas"], server["spec"]["strategy"]) == (1, {"type": "Recreate"})
    variables = [one["name"] for one in server["spec"]["template"]["spec"]["containers"][0]["env"]]
    assert "REDIS_URL" not in variables and "MILVUS_URI" not in find_settings(resources)


@pytest.mark.parametrize(("overlay", "mode"), [("standalone", "standalone"), ("cluster", "cluster")])
def test_the_others_are_several_servers_on_a_milvus_and_a_redis(rendered, overlay, mode):
    resources = rendered[f"overlays/{overlay}"]
    kinds = count_kinds(resources)
    assert {kinds[kind] for kind in ("Milvus", "StatefulSet", "HorizontalPodAutoscaler", "CronJob")} == {1}
    milvus = next(resource for resource in resources if resource["kind"] == "Milvus")
    assert milvus["spec"]["mode"] == mode
    assert find_settings(resources)["MILVUS_URI"] == f"http://{milvus['metadata']['name']}-milvus:19530"
    redis = next(resource for resource in resources if resource["kind"] == "StatefulSet")
    args = redis["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--appendonly") + 1] == "yes"


def find_cronjob(resources, name):
    return next(one for one in resources if (one["kind"], one["metadata"]["name"]) == ("CronJob", name))


def test_backups_go_to_a_volume(rendered, tmp_path):
    """`components/backup` beside an overlay, before the image, as the page says to add it."""
    kustomization = {
        "kind": "Kustomization",
        "namespace": "vicinal",
        "resources": [relpath(FOLDER / "overlays" / "standalone", tmp_path)],
        "components": [relpath(folder, tmp_path) for folder in (FOLDER / "components" / "backup", FOLDER / "image")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    resources = manifests.parse(manifests.render(tmp_path))
    assert check_all(resources) == []
    before = count_kinds(rendered["overlays/standalone"])
    more = {"CronJob": 1, "PersistentVolumeClaim": 1}
    assert count_kinds(resources) == {kind: number + more.get(kind, 0) for kind, number in before.items()}
    (container,) = find_template(find_cronjob(resources, "vicinal-backup"))["spec"]["containers"]
    assert {"name": "BACKUP_TO", "value": "/backups"} in container["env"]
    assert {"name": "backups", "mountPath": "/backups"} in container["volumeMounts"]


def test_backups_to_object_storage_have_its_keys_and_alone_reach_it(rendered):
    resources = rendered["overlays/example"]
    template = find_template(find_cronjob(resources, "vicinal-backup"))
    (container,) = template["spec"]["containers"]
    assert {"name": "BACKUP_TO", "value": "s3://backups/vicinal"} in container["env"]
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= {one["name"] for one in container["env"]}
    assert "/backups" not in {one["mountPath"] for one in container["volumeMounts"]}
    policy = next(
        one["spec"] for one in resources if one["metadata"]["name"] == "vicinal-backup" and "egress" in one["spec"]
    )
    chosen = policy["podSelector"]["matchLabels"].items()
    templates = [found["metadata"]["labels"] for found in map(find_template, resources) if found]
    assert [labels for labels in templates if chosen <= labels.items()] == [template["metadata"]["labels"]]


def test_a_cronjob_makes_jobs_of_another_command(rendered):
    """What the page has `kubectl` do, but for the cluster."""
    jobs = re.findall(r"--from=cronjob/(\S+) --dry-run=client .*?--patch '(\[.*?\])'", PAGE, re.DOTALL)
    commands = []
    for name, patch in jobs:
        spec = find_cronjob(rendered["overlays/example"], name)["spec"]["jobTemplate"]["spec"]
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "made", "namespace": "vicinal"},
            "spec": spec,
        }
        command = ["kubectl", "patch", "--local", "--filename", "-", "--output", "yaml", "--type", "json", "--patch"]
        done = subprocess.run([*command, patch], input=yaml.safe_dump(job), capture_output=True, text=True, check=True)
        (made,) = manifests.parse(done.stdout)
        assert check_resource(made) == []
        (container,) = find_template(made)["spec"]["containers"]
        commands.append([*container["command"], *container["args"]])
    assert commands == [
        ["vicinal", "reindex", "/srv/solutions/faq.yaml"],
        ["vicinal", "restore", "qa.yaml", "--from", "$(BACKUP_TO)"],
    ]


def find_settings(resources):
    return next(one["data"] for one in resources if one["metadata"]["name"] == "vicinal-settings")


def test_replicas_of_a_collection_have_as_many_query_nodes(rendered):
    resources = rendered["overlays/cluster"]
    milvus = next(resource for resource in resources if resource["kind"] == "Milvus")
    group = next(
        one for one in resources if one["metadata"]["name"] == "vicinal-resource-group" and one["kind"] == "Job"
    )
    variables = {one["name"]: one.get("value") for one in find_template(group)["spec"]["containers"][0]["env"]}
    nodes = milvus["spec"]["components"]["queryNode"]["replicas"]
    assert (variables["RESOURCE_GROUP"], int(variables["QUERY_NODES"])) == ("vicinal", 2)
    assert nodes > int(variables["QUERY_NODES"])  # the others serve what names no resource group


def test_the_script_of_the_resource_group_fits_the_client(rendered):
    """Its names are imported as it does, and its configuration is one that Milvus' client can send."""
    from pymilvus import MilvusClient
    from pymilvus.client.constants import DEFAULT_RESOURCE_GROUP
    from pymilvus.client.types import ResourceGroupConfig

    text = (FOLDER / "overlays" / "cluster" / "resource_group.py").read_text(encoding="utf-8")
    called = {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}
    assert called - {"environ", "get"} <= set(dir(MilvusClient))
    size = {"node_num": 2}
    source = [{"resource_group": DEFAULT_RESOURCE_GROUP}]
    config = ResourceGroupConfig(requests=size, limits=size, transfer_from=source)
    assert (config.requests.node_num, config.transfer_from[0].resource_group) == (2, DEFAULT_RESOURCE_GROUP)


def list_variables():
    """Every variable that vicinal reads: its settings, and what its modules that read the environment name."""
    found = {f"VICINAL_{name.upper()}" for name in Settings.model_fields}
    for file in (file for top in ("framework", "plugins") for file in (ROOT / top).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "environ" in text and "testing" not in file.parts:
            nodes = list(ast.walk(ast.parse(text)))
            own = {node.id for node in nodes if isinstance(node, ast.Name)}
            literals = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            found |= {name for name in literals - own if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+_?", name)}
    return found - set(_RENAMED) - NO_VARIABLES


def list_explained():
    """The variables that the comments of the settings name as left out."""
    lines = re.findall(r"^# ([A-Z][A-Z0-9_, ]+):? ?", SETTINGS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name for line in lines for name in re.findall(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", line)}


def test_every_variable_is_set_or_left_out_for_a_reason():
    """A new variable of the code stands in deploy/kubernetes/base/settings.yaml, or in its comments."""
    given = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["data"]
    assert {"VICINAL_UPLOADS", "MILVUS_URI", "REDIS_URL", "HF_HUB_OFFLINE", "MALLOC_ARENA_MAX"} <= list_variables()
    assert list_variables() - set(given) - list_explained() == set()
    assert set(given) & list_explained() == set()


def test_every_variable_that_is_set_is_one_that_is_read():
    data = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["data"]
    assert set(data) <= list_variables()
    settings = Settings.from_environment(data)
    assert settings.uploads == "/srv/uploads"
    grace = SERVER["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace > settings.request_timeout_seconds + settings.drain_seconds > settings.request_timeout_seconds


def test_secrets_come_from_the_secret_alone():
    for param in RESOURCES:
        template = find_template(param.values[0])
        for container in template["spec"]["containers"] if template else []:
            for variable in container.get("env", []):
                is_secret = re.search(r"KEY|PASSWORD|TOKEN|REDIS_URL|AUTH", variable["name"])
                assert bool(is_secret) == ("secretKeyRef" in variable.get("valueFrom", {})), variable
    keys = set(re.findall(r"secretKeyRef: \{name: vicinal, key: (\w+)", "".join(map(read, FOLDER.rglob("*.yaml")))))
    of_storage = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert keys == {"VICINAL_API_KEYS", "VICINAL_API_KEY", "REDIS_URL", "REDIS_PASSWORD", "MILVUS_TOKEN"} | of_storage
    assert all(f"`{key}`" in PAGE for key in keys)


def read(file):
    return file.read_text(encoding="utf-8")


def test_the_server_is_the_image_of_the_dockerfile():
    dockerfile = read(ROOT / "Dockerfile")
    pod = SERVER["spec"]["template"]["spec"]
    user = pod["securityContext"]["runAsUser"]
    assert f"useradd --uid {user} --gid vicinal" in dockerfile
    (container,) = pod["containers"]
    files = [argument for argument in container["args"] if argument.endswith(".yaml")]
    assert files and all((ROOT / "configs" / file).is_file() for file in files)
    assert f"EXPOSE {container['ports'][0]['containerPort']}" in dockerfile
    version = re.search(r'__version__ = "(.+)"', read(ROOT / "framework" / "vicinal" / "__init__.py"))[1]
    (image,) = yaml.safe_load(read(FOLDER / "image" / "kustomization.yaml"))["images"]
    assert image == {"name": "vicinal", "newName": "vicinal", "newTag": version}


def test_the_solution_of_the_example_is_valid(rendered, tmp_path):
    """What its pods would have at /srv/solutions, as the ConfigMap has it."""
    resources = rendered["overlays/example"]
    solutions = next(one for one in resources if one["metadata"]["name"].startswith("vicinal-solutions-"))
    for name, text in solutions["data"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    for resource in (one for one in resources if one["kind"] in ("Deployment", "CronJob")):
        pod = find_template(resource)["spec"]
        (folder,) = (one["mountPath"] for one in pod["containers"][0]["volumeMounts"] if one["name"] == "solutions")
        files = [Path(argument) for argument in pod["containers"][0]["args"] if argument.endswith(".yaml")]
        assert [file.parent for file in files] == [Path(folder)]
        config, problems = check_config(tmp_path / files[0].name, create_manager())
        assert problems == [] and config.name == "faq"


def test_every_folder_is_described():
    for target in manifests.list_targets():
        assert f"deploy/kubernetes/{target}" in PAGE, target
    for component in (FOLDER / "components").iterdir():
        assert f"`components/{component.name}`" in PAGE, component.name
    assert "kubernetes-validate" in str(
        tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["optional-dependencies"]
    )


def test_the_stores_of_standalone_can_be_started_before_its_servers(rendered):
    """The way from lite, as the page has it: the copy is there before a server starts on it."""
    (chosen,) = re.findall(r"'app.kubernetes.io/component in \(([a-z, ]+)\)'", PAGE)
    components = chosen.split(", ")
    resources = [
        resource
        for resource in rendered["overlays/standalone"]
        if resource["metadata"].get("labels", {}).get("app.kubernetes.io/component") in components
    ]
    assert count_kinds(resources) == dict.fromkeys(("Milvus", "StatefulSet", "Service", "PersistentVolumeClaim"), 1)
    assert check_all(resources, rendered["overlays/lite"]) == []
    assert check_all(rendered["jobs/promote"], [*resources, *rendered["overlays/lite"]]) == []


def test_a_job_is_not_tried_again_where_that_cannot_help():
    useless = {ExitCode.USAGE, ExitCode.BAD_CONFIG, ExitCode.PLUGIN_MISSING}
    jobs = [one.values[0] for one in RESOURCES if one.values[0]["kind"] in ("Job", "CronJob")]
    specs = [job["spec"]["jobTemplate"]["spec"] if job["kind"] == "CronJob" else job["spec"] for job in jobs]
    rules = [rule for spec in specs if "podFailurePolicy" in spec for rule in spec["podFailurePolicy"]["rules"]]
    assert [{*rule["onExitCodes"]["values"]} for rule in rules if "onExitCodes" in rule] == [useless] * 4
    assert [spec["backoffLimit"] for spec in specs].count(0) == 1  # the backup, whose command tries again
