"""The frame features of ``librosa.feature`` by name, as a YAML writes them, and how many numbers each has a frame.

librosa is not imported: a configuration is validated, and the dimension known, without it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import AfterValidator, Discriminator, Tag, WithJsonSchema

__all__ = ["FEATURES", "Feature", "FeatureEntry", "to_feature"]

Value: TypeAlias = bool | int | float | str | list[float] | None
Parameters: TypeAlias = Mapping[str, Value]


class Feature(NamedTuple):
    """A function of ``librosa.feature`` and its parameters beside the samples and their rate."""

    name: str
    parameters: Parameters

    @property
    def size(self) -> int:
        """How many numbers it has a frame."""
        return FEATURES[self.name](self.parameters)


def _read_size(name: str, default: int, offset: int = 0) -> Callable[[Parameters], int]:
    """A reader of the size that a parameter gives."""

    def read(parameters: Parameters) -> int:
        count = parameters.get(name, default)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"{name} must be a whole number above 0")
        return count + offset

    return read


def _count_factors(parameters: Parameters) -> int:
    factors = parameters.get("factors")
    return len(factors) if isinstance(factors, list) else 13


FEATURES: Mapping[str, Callable[[Parameters], int]] = {
    "chroma_cens": _read_size("n_chroma", 12),
    "chroma_cqt": _read_size("n_chroma", 12),
    "chroma_stft": _read_size("n_chroma", 12),
    "chroma_vqt": _read_size("bins_per_octave", 12),
    "fourier_tempogram": lambda parameters: _read_size("win_length", 384)(parameters) // 2 + 1,
    "melspectrogram": _read_size("n_mels", 128),
    "mfcc": _read_size("n_mfcc", 20),
    "poly_features": _read_size("order", 1, 1),
    "rms": lambda _: 1,
    "spectral_bandwidth": lambda _: 1,
    "spectral_centroid": lambda _: 1,
    "spectral_contrast": _read_size("n_bands", 6, 1),
    "spectral_flatness": lambda _: 1,
    "spectral_rolloff": lambda _: 1,
    "tempo": lambda _: 1,
    "tempogram": _read_size("win_length", 384),
    "tempogram_ratio": _count_factors,
    "tonnetz": lambda _: 6,
    "zero_crossing_rate": lambda _: 1,
}
"""The features of librosa that turn samples into a row of numbers a frame: by name, the size of that row."""


def to_feature(entry: str | Mapping[str, Parameters]) -> Feature:
    """A feature from an entry of the YAML, ``mfcc`` or ``{mfcc: {n_mfcc: 13}}``."""
    return Feature(entry, {}) if isinstance(entry, str) else Feature(*next(iter(entry.items())))


def _require_name(name: str) -> str:
    if name not in FEATURES:
        near = difflib.get_close_matches(name, FEATURES, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"{name!r} is not a frame feature of librosa{meant}; these are: {', '.join(FEATURES)}")
    return name


def _require_one(entry: dict[str, dict[str, Value]]) -> dict[str, dict[str, Value]]:
    if len(entry) != 1:
        raise ValueError("write one feature an entry, as `- mfcc: {n_mfcc: 13}`")
    _ = to_feature(entry).size
    return entry


def _choose_branch(entry: Any) -> str:
    return "parameters" if isinstance(entry, dict) else "name"


_NAME_SCHEMA: dict[str, Any] = {"type": "string", "enum": list(FEATURES)}
_Name = Annotated[str, AfterValidator(_require_name)]

FeatureEntry = Annotated[
    Annotated[_Name, Tag("name")]
    | Annotated[dict[_Name, dict[str, Value]], AfterValidator(_require_one), Tag("parameters")],
    Discriminator(_choose_branch),
    WithJsonSchema(
        {
            "anyOf": [
                _NAME_SCHEMA,
                {
                    "type": "object",
                    "propertyNames": _NAME_SCHEMA,
                    "additionalProperties": {"type": "object"},
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ]
        }
    ),
]
"""An entry of ``features``: a name, or a name with parameters."""
