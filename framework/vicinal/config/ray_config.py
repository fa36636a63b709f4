"""The keys of ``ingest.ray``: where a run's workers are, how many, and what each of them gets."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from vicinal.plugin.params import Params

__all__ = ["RayConfig", "find_missing_ray"]

_ADDRESS = r"[^\s/:@]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}"


def _check_address(address: str) -> str:
    if address in ("auto", "local") or re.fullmatch(_ADDRESS, address):
        return address
    if address.startswith("ray://"):
        raise ValueError("must be the address of the head node, as head:6379; a Ray Client (ray://) cannot drive a run")
    raise ValueError("must be auto, local, or the address of a cluster's head node, as head:6379")


class RayConfig(Params):
    """The Ray cluster that decodes and encodes, where `ingest.engine` is `ray`."""

    address: Annotated[str, AfterValidator(_check_address)] = "auto"
    """The cluster's head node, as head:6379; `auto` takes that which `RAY_ADDRESS` names or which runs on this machine,
    and else starts a Ray of this machine for the run; `local` always starts one."""
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=10000)] = "auto"
    """Processes that decode and encode; by default as many as the cluster has room for when a run begins."""
    num_cpus: Annotated[float, Field(gt=0, le=1024)] = 1
    """Cores of each worker."""
    num_gpus: Annotated[float, Field(ge=0, le=64)] = 0
    """GPUs of each worker; 0.5 lets two share one."""
    resources: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Custom resources of each worker by name, which keep workers on the nodes that have them."""
    start_timeout: Annotated[float, Field(gt=0, le=86400)] = 300
    """Seconds to wait for a first worker, as while a cluster adds a node."""


def find_missing_ray() -> str:
    """The command that installs what `engine: ray` needs; empty where it is installed."""
    spec = find_spec("ray")
    is_installed = spec is not None and spec.origin is not None  # a folder that is called ray has no origin
    return "" if is_installed else 'pip install "vicinal[ray]"'
