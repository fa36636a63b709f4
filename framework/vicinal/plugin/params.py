"""The base of every plugin's parameters: one pydantic class is the YAML block, its check, its schema and its docs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo
from typing_extensions import TypeVar

from vicinal.toolkit.hf_hub import is_local_path

__all__ = ["Configurable", "LocalPath", "ModelName", "Params", "folder_or_name"]


class Params(BaseModel):
    """Parameters of a source, an encoder or a reranker: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    renamed_keys: ClassVar[Mapping[str, str]] = {}
    """Former names of keys, each with the present one, which the error for an old YAML names."""


P = TypeVar("P", bound=Params, default=Params, covariant=True)


class Configurable(Generic[P]):
    """What is built from a block of the YAML: ``Params`` is the block's class, ``params`` the block itself.

    The class in brackets gives ``params`` its type, so that mypy sees a misspelt parameter. It stands before,
    ``Encoder[LettersParams]``, or within the class and is named by a string, ``Encoder["Letters.Params"]``.
    """

    class Params(Params):
        """The keys that the YAML block accepts beside ``type``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        given = [argument for base in cls.__dict__.get("__orig_bases__", ()) for argument in get_args(base)]
        if given and "Params" not in cls.__dict__ and isinstance(given[0], type) and issubclass(given[0], BaseModel):
            cls.Params = given[0]  # type: ignore[assignment, misc]

    def __init__(self, params: P | None = None) -> None:
        self.params: P = type(self).Params() if params is None else params  # type: ignore[assignment]


def _beside_the_config(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    return path if base is None or path.is_absolute() else Path(base) / path


LocalPath = Annotated[Path, AfterValidator(_beside_the_config)]
"""A path on this machine; a relative one is relative to the YAML file that names it."""


def folder_or_name(model: str, info: ValidationInfo) -> str:
    """A folder beside the YAML file, if there is one of that name or only a folder can be meant; else the name."""
    path = _beside_the_config(Path(model), info)
    return str(path.absolute()) if path.is_dir() or is_local_path(model) else model


ModelName = Annotated[str, Field(min_length=1), AfterValidator(folder_or_name)]
"""A model on a hub, by its name, or a folder with one; a relative folder is relative to the YAML file that names it."""
