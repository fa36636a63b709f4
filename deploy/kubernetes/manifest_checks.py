"""Checks of Kubernetes manifests that need no cluster: schemas, pod security, probes, and names that must be there.

Each check yields sentences that say what is wrong, and nothing where all is well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = ("1.29", "1.37")
"""The oldest and the newest Kubernetes that manifests are checked against."""
VOLUME_TYPES = {"configMap", "secret", "emptyDir", "persistentVolumeClaim"}
"""Of those that the restricted standard allows, the ones in use."""
OWN_SECRET = ("Secret", "vicinal")
"""What the user creates."""

Resource = dict[str, Any]


def describe(resource: Resource) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


def check_all(resources: Iterable[Resource], beside: Iterable[Resource] = ()) -> list[str]:
    """All that is wrong with resources that are applied together; what they name may be ``beside`` them already."""
    resources = list(resources)
    problems = [problem for resource in resources for problem in check_resource(resource)]
    return problems or [*check_references(resources, beside), *check_selectors(resources), *check_images(resources)]


def check_resource(resource: Resource) -> list[str]:
    """All that can be said of a resource alone."""
    problems = check_schema(json.dumps(resource, sort_keys=True))
    return list(problems) or [*check_security(resource), *check_behaviour(resource)]


@cache
def check_schema(text: str) -> tuple[str, ...]:
    """Compare a resource, as JSON, with the schema of its kind. A field that the schema lacks is a mistake, too."""
    resource = json.loads(text)
    custom = _read_custom_schemas().get((resource["apiVersion"], resource["kind"]))
    if custom is not None:
        errors = Draft202012Validator(custom).iter_errors(resource)
        return tuple(f"{describe(resource)}: {error.json_path}: {error.message}" for error in errors)
    return tuple(problem for version in VERSIONS for problem in _check_builtin(resource, version))


def _check_builtin(resource: Resource, version: str) -> Iterator[str]:
    try:
        kubernetes_validate.validate(resource, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        yield f"{describe(resource)}: {error.json_path}: {error.message} (Kubernetes {version})"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{describe(resource)}: {error.message}"


@cache
def _read_custom_schemas() -> dict[tuple[str, str], Any]:
    schemas = [json.loads(file.read_text(encoding="utf-8")) for file in SCHEMAS.glob("*.json")]
    return {(one["properties"]["apiVersion"]["const"], one["properties"]["kind"]["const"]): one for one in schemas}


def find_template(resource: Resource) -> Resource | None:
    """The template of the pods that a resource makes; None where it makes none."""
    spec = resource.get("spec", {})
    if resource["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec.get("template")


def list_containers(pod: Resource) -> list[Resource]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def check_security(resource: Resource) -> Iterator[str]:
    """Hold pods to the restricted standard, and besides to a read-only image, no token and bounded memory."""
    template = find_template(resource)
    if template is None:
        return
    pod, where = template["spec"], describe(resource)
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
        yield f"{where}: may run as root"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield f"{where}: its seccompProfile is not RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield f"{where}: gets a token of Kubernetes"
    yield from (f"{where}: {name} is set" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    for volume in pod.get("volumes", []):
        yield from (f"{where}: a volume is a {kind}" for kind in set(volume) - {"name"} - VOLUME_TYPES)
    for container in list_containers(pod):
        yield from _check_container(f"{where}, container {container['name']}", container)


def _check_container(where: str, container: Resource) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield f"{where}: may gain privileges"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield f"{where}: runs as root"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{where}: may write to its image"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{where}: keeps capabilities"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= set(resources.get("requests", {})) or "memory" not in resources.get("limits", {}):
        yield f"{where}: requests no CPU or memory, or has no limit of memory"


def check_behaviour(resource: Resource) -> Iterator[str]:
    """See that servers are probed, vicinal's by the routes that are meant for it, and that one Job writes at a time."""
    where, kind, spec = describe(resource), resource["kind"], resource.get("spec", {})
    if kind == "CronJob" and spec.get("concurrencyPolicy") != "Forbid":
        yield f"{where}: two of its Jobs may run at once"
    if kind == "Job" and spec.get("parallelism", 1) != 1:
        yield f"{where}: several of its pods may run at once"
    if kind in ("Deployment", "StatefulSet"):
        for container in spec["template"]["spec"]["containers"]:
            yield from _check_probes(f"{where}, container {container['name']}", container)


def _check_probes(where: str, container: Resource) -> Iterator[str]:
    probes = {name: container.get(f"{name}Probe") for name in ("startup", "readiness", "liveness")}
    yield from (f"{where}: there is no {name}Probe" for name, probe in probes.items() if not probe)
    if re.search(r"(^|/)vicinal(:|$)", container["image"]) and all(probes.values()):
        for name, probe in probes.items():
            route = "/readyz" if name == "readiness" else "/healthz"
            if probe.get("httpGet", {}).get("path") != route:
                yield f"{where}: its {name}Probe does not ask {route}"


def check_references(resources: list[Resource], beside: Iterable[Resource]) -> Iterator[str]:
    """See that what resources name is there, and that each volume of a pod is mounted."""
    there = {(resource["kind"], resource["metadata"]["name"]) for resource in (*resources, *beside)} | {OWN_SECRET}
    for resource in resources:
        for kind, name in set(_list_references(resource)) - there:
            yield f"{describe(resource)}: there is no {kind} {name}"
        if template := find_template(resource):
            volumes = {volume["name"] for volume in template["spec"].get("volumes", [])}
            volumes |= {one["metadata"]["name"] for one in resource["spec"].get("volumeClaimTemplates", [])}
            containers = list_containers(template["spec"])
            mounted = {mount["name"] for one in containers for mount in one.get("volumeMounts", [])}
            for name in volumes ^ mounted:
                yield f"{describe(resource)}: the volume {name} is not there, or not mounted"


def _list_references(resource: Resource) -> Iterator[tuple[str, str]]:
    if resource["kind"] == "HorizontalPodAutoscaler":
        target = resource["spec"]["scaleTargetRef"]
        yield target["kind"], target["name"]
    pod = (find_template(resource) or {}).get("spec")
    if pod is None:
        return
    yield "ServiceAccount", pod.get("serviceAccountName", "default")
    for volume in pod.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in list_containers(pod):
        yield from (("ConfigMap", source["configMapRef"]["name"]) for source in container.get("envFrom", []))
        for variable in container.get("env", []):
            if secret := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield "Secret", secret["name"]


def check_selectors(resources: list[Resource]) -> Iterator[str]:
    """See that Services, budgets and monitors select what they are for."""
    pods = [resource["spec"]["template"] for resource in resources if resource["kind"] in ("Deployment", "StatefulSet")]
    labels = {
        "PodDisruptionBudget": [pod["metadata"]["labels"] for pod in pods],
        "ServiceMonitor": [one["metadata"].get("labels", {}) for one in resources if one["kind"] == "Service"],
    }
    for resource in resources:
        kind, spec = resource["kind"], resource.get("spec", {})
        if kind == "Service":
            chosen = [pod for pod in pods if spec["selector"].items() <= pod["metadata"]["labels"].items()]
            ports = {port["name"] for pod in chosen for one in pod["spec"]["containers"] for port in one["ports"]}
            if len(chosen) != 1 or {port["targetPort"] for port in spec["ports"]} - ports:
                yield f"{describe(resource)}: selects no pods, or none with such a port"
        elif kind in labels and not any(spec["selector"]["matchLabels"].items() <= one.items() for one in labels[kind]):
            yield f"{describe(resource)}: selects nothing"


def check_images(resources: list[Resource]) -> Iterator[str]:
    """See that each image has a version; in the files themselves vicinal's has none, which the folder `image` adds."""
    for resource in resources:
        for container in list_containers((find_template(resource) or {"spec": {"containers": []}})["spec"]):
            name, _, tag = container["image"].rpartition(":")
            if not name or "/" in tag or tag == "latest":
                yield f"{describe(resource)}: the image {container['image']} has no version"
