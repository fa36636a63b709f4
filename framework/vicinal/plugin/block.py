"""An encoder within another's parameters."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, ValidationInfo, model_validator

from vicinal.errors import PluginError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.manager import create_manager
from vicinal.plugin.registry import Registry

__all__ = ["EncoderBlock"]


class EncoderBlock(BaseModel):
    """An encoder within another's parameters, as ``image: {type: resnet18}``; ``build`` makes it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    """The encoder's name; its parameters stand beside it."""
    _registry: Registry[Encoder] = PrivateAttr()
    _params: Any = PrivateAttr()

    @model_validator(mode="after")
    def _validate_params(self, info: ValidationInfo) -> EncoderBlock:
        self._registry = (info.context or {}).get("encoders") or create_manager().encoders
        try:
            kind = self._registry.load(self.type).Params
            self._params = kind.model_validate(self.model_extra or {}, context=info.context)
        except PluginError as error:
            raise ValueError(f"{error}; {error.hint}") from error
        except ValidationError as error:
            details = [".".join(map(str, detail["loc"])) + f": {detail['msg']}" for detail in error.errors()]
            raise ValueError(f"encoder {self.type!r}: {', '.join(details)}") from error
        return self

    def build(self) -> Encoder:
        """Make the encoder.

        Raises:
            DependencyError: what it needs is not installed.
            PluginError: it learns from a solution's items, which an encoder within another cannot.
        """
        made = self._registry.build(self.type, self._params)
        if made.learns:
            raise PluginError(f"{self.type} learns from a solution's items, and cannot stand within another encoder")
        return made
