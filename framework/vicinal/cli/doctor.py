"""``doctor``: what is installed, reachable and loadable, with what to do about what is not."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vicinal.cli.doctor_offline import find_bundle, find_needs
from vicinal.cli.findings import NEEDS, Finding, make_finding, without_network
from vicinal.cli.output import build_table, describe_redis, json_option, make_console, print_json
from vicinal.errors import ExitCode, VicinalError

if TYPE_CHECKING:
    from vicinal.plugin.encoder import Encoder
    from vicinal.plugin.manager import Manager
    from vicinal.solution.solution import Solution

_LACKING = "; their weights must be fetched first: `vicinal doctor FILE` says where those of a solution may lie"
_PACKAGES = ("pymilvus", "milvus-lite", "redis", "numpy", "pyarrow", "pluggy", "pydantic")


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--offline",
    is_flag=True,
    help="Look for all that FILES need without a network; exit code 4 if anything is missing.",
)
@json_option
def doctor(files: tuple[Path, ...], offline: bool, as_json: bool) -> int:
    """See what is installed and loadable, and whether the stores of the solutions FILES answer. Needs no network."""
    from vicinal.plugin.manager import create_manager

    if offline and not files:
        raise click.UsageError("--offline needs the FILE of a solution")
    manager = create_manager()
    with without_network():
        findings = [*_find_packages()]
        if offline:
            findings += find_bundle()
        else:
            findings += [*_find_redis(), *_find_plugins(manager), *_find_encoders(manager)]
        for file in files:
            needs = [*find_needs(file, manager)] if offline else []
            missing = {finding.detail for finding in needs if finding.status == "missing"}
            findings += [
                *needs,
                *(finding for finding in _find_solution(file, manager) if finding.detail not in missing),
            ]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        make_console().print(build_table(("", "what", "found"), list(_list_rows(findings))))
    if offline and any(finding.status == "missing" for finding in findings):
        return ExitCode.PLUGIN_MISSING
    return ExitCode.FAILED if any(finding.status == "failed" for finding in findings) else ExitCode.DONE


def _list_rows(findings: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    """A row a finding; encoders, of which there are many, have one for those that work and one for those that lack."""
    for kind, alike in groupby(findings, lambda finding: finding.what.partition(" ")[0]):
        group = list(alike)
        for status, more in (("ok", ""), ("missing", _LACKING)) if kind == "encoder" else ():
            some = [finding for finding in group if finding.status == status]
            if len(some) > 1:
                yield status, "encoders", ", ".join(map(_name_finding, some)) + more
                group = [finding for finding in group if finding.status != status]
        for finding in group:
            yield finding.status, finding.what, finding.detail + (f"; {finding.hint}" if finding.hint else "")


def _name_finding(finding: Finding) -> str:
    name = finding.what.partition(" ")[2]
    return f"{name} ({finding.detail})" if finding.detail.startswith(NEEDS) else name


def _find_packages() -> Iterator[Finding]:
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in _PACKAGES:
        try:
            yield Finding(package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding(package, "failed", "not installed", "pip install vicinal")


def _find_redis() -> Iterator[Finding]:
    from vicinal.stores.redis_server import find_redis_server

    yield make_finding("redis-server", lambda: str(find_redis_server()))


def _find_plugins(manager: Manager) -> Iterator[Finding]:
    for row in manager.rows:
        status = {"ok": "ok", "incomplete": "missing"}.get(row.status, "failed")
        yield Finding(f"plugin {row.name}", status, row.reason or f"{row.distribution} {row.version}", row.hint)


def _find_encoders(manager: Manager) -> Iterator[Finding]:
    for entry in manager.encoders:
        if not entry.missing():
            yield make_finding(f"encoder {entry.name}", partial(_describe_default, manager, entry.name))


def _describe_default(manager: Manager, name: str) -> str:
    return _describe_encoder(manager.encoders.build(name, manager.encoders.load(name).Params()))


def _describe_encoder(encoder: Encoder) -> str:
    return f"{encoder.space.dimension}-d {encoder.space.kind}, {encoder.signature}"


def _find_solution(file: Path, manager: Manager) -> Iterator[Finding]:
    from vicinal.solution.solution import Solution
    from vicinal.stores import redact_url

    try:
        solution = Solution.from_yaml(file, manager=manager)
    except VicinalError as error:
        yield Finding(str(file), "failed", str(error), error.hint)
        return
    yield Finding(str(file), "ok", f"solution {solution.name!r}")
    with solution:
        yield make_finding(f"{solution.name}: encoder", lambda: _describe_encoder(solution.encoder))
        if solution.config.rerank:
            yield make_finding(f"{solution.name}: reranker", lambda: _try_reranker(solution))
        redis, milvus = map(redact_url, (solution.config.stores.redis, solution.config.stores.milvus))
        yield make_finding(
            f"{solution.name}: Redis",
            lambda: describe_redis(redis, solution.metadata.version(), solution.metadata.masters()),
        )
        yield make_finding(f"{solution.name}: Milvus", lambda: f"{solution.vectors.engine}, {milvus}")
        yield make_finding(f"{solution.name}: items", lambda: f"{solution.metadata.state().get('items', 0):,}")


def _try_reranker(solution: Solution) -> str:
    """The name of the solution's reranker; one that reads texts has ordered one, for which it loads its model."""
    from vicinal.plugin.foreign_calls import attribute_errors
    from vicinal.types import Hit

    block, reranker = solution.config.rerank, solution.reranker
    if reranker is not None and reranker.reads_text:
        with attribute_errors(f"reranker {type(reranker).__name__}", "rerank"):
            reranker.rerank("a text", [Hit("key", 1, 0.0, 1.0, "", {}, "a text")])
    return block.type if block else ""
