"""Render the Kubernetes manifests by kubectl, and check them without a cluster: ``make manifests`` runs this.

Each overlay and each Job becomes a file in the folder that is given. Exits with 1 where anything is wrong with one.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from manifest_checks import Resource, check_all

FOLDER = Path(__file__).parent
NO_KUBECTL = "kubectl is not on PATH; it renders the manifests: https://kubernetes.io/docs/tasks/tools/"


def list_targets() -> list[str]:
    """The folders that can be applied: overlays and Jobs."""
    files = [file for top in ("overlays", "jobs") for file in (FOLDER / top).glob("*/kustomization.yaml")]
    return sorted(str(file.parent.relative_to(FOLDER)) for file in files)


def render(target: str) -> str:
    """The resources of a folder, as `kubectl apply -k` would send them.

    Raises:
        SystemExit: kubectl is not on PATH, or cannot render it.
    """
    if shutil.which("kubectl") is None:
        raise SystemExit(NO_KUBECTL)
    done = subprocess.run(["kubectl", "kustomize", FOLDER / target], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{target}: {done.stderr.strip()}")
    return done.stdout


def parse(text: str) -> list[Resource]:
    return [resource for resource in yaml.safe_load_all(text) if resource]


def list_beside(target: str, rendered: dict[str, list[Resource]]) -> list[Resource]:
    """What is there already when a folder is applied: a Job comes to an overlay, `promote` to two."""
    overlays = {"jobs/promote": ["lite", "standalone"], "jobs/ingest": ["standalone"], "jobs/reindex": ["standalone"]}
    return [resource for name in overlays.get(target, []) for resource in rendered[f"overlays/{name}"]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the rendered files go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    texts = {target: render(target) for target in list_targets()}
    rendered = {target: parse(text) for target, text in texts.items()}
    is_valid = True
    for target, resources in rendered.items():
        (folder / f"{target.replace('/', '-')}.yaml").write_text(texts[target], encoding="utf-8")
        problems = check_all(resources, list_beside(target, rendered))
        print(f"{target}: {len(resources)} resources{', with problems:' if problems else ''}")
        for problem in problems:
            print(f"  {problem}")
        is_valid = is_valid and not problems
    return 0 if is_valid else 1


if __name__ == "__main__":
    sys.exit(main())
