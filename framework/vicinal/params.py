"""The base of every plugin's parameters: one pydantic class is the YAML block, its check, its schema and its docs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo

__all__ = ["LocalPath", "Params"]


class Params(BaseModel):
    """Parameters of a source, an encoder or a reranker: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)


def _beside_the_config(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return path if base is None or path.is_absolute() else Path(base) / path


LocalPath = Annotated[Path, AfterValidator(_beside_the_config)]
"""A path on this machine; a relative one is relative to the YAML file that names it."""
