"""Images and sentences in one space by CLIP (Radford et al. 2021, https://arxiv.org/abs/2103.00020), by transformers.

A collection of images is asked by an image or by a sentence. Its weights are on the Hugging Face hub, not in vicinal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationInfo

from vicinal import BadItem, Item, LocalPath, Segment, Space
from vicinal_image.base import ImageEncoder, unit
from vicinal_image.frame import Preprocessing
from vicinal_image.hub import ClipFolder, locate

if TYPE_CHECKING:
    import numpy as np

    from vicinal_image.run import Build

__all__ = ["Clip", "Sentence"]

LONGEST_SENTENCE = 10_000
"""Characters; the network reads the first fifty words or so."""

_FORCED = "text:"
_PATH = TypeAdapter(LocalPath)
_A_FILE = re.compile(r"\S+\.(avif|bmp|gif|jpe?g|png|tiff?|webp)", re.IGNORECASE)


def _folder_or_name(model: str, info: ValidationInfo) -> str:
    """A folder beside the YAML file, if there is one of that name; else the name as it is."""
    path: Path = _PATH.validate_python(model, context=info.context)
    return str(path) if path.is_dir() or model.startswith((".", "/", "~")) else model


class Sentence(str):
    """A text that images are searched with."""

    __slots__ = ()


class Clip(ImageEncoder):
    """Encodes images; a query is an image or a sentence."""

    queries = ("image", "text")

    class Params(ImageEncoder.Params):
        model: Annotated[str, Field(min_length=1), AfterValidator(_folder_or_name)]
        """A CLIP on the Hugging Face hub (``openai/clip-vit-base-patch32``), or the folder of one."""

    @property
    def space(self) -> Space:
        return Space(self._folder.dimension, "float", "COSINE")

    @property
    def signature(self) -> str:
        """Hash of the model's files, and how pictures are prepared.

        Raises:
            DependencyMissing: the model is not there and cannot be fetched.
        """
        return f"clip/{self._folder.hash}/{self._manner}/l2"

    @property
    def preprocessing(self) -> Preprocessing:
        return self._folder.preprocessing

    def decode_query(self, query: Any) -> list[Segment]:
        """An image, if it is bytes, an image of Pillow or the path of a file; else a sentence.

        ``text:`` before a sentence makes it one, though a file has that name.

        Raises:
            BadItem: the file cannot be read, or the sentence is empty.
        """
        if not isinstance(query, str):
            return self.decode(Item("query", query))
        if query.startswith(_FORCED):
            return [Segment(_checked(query.removeprefix(_FORCED)))]
        if _is_file(query):
            return self.decode(Item("query", query))
        if _A_FILE.fullmatch(query):
            raise BadItem(f"there is no file {query}; write {_FORCED}{query} if that is a sentence")
        return [Segment(_checked(query))]

    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Vectors of frames and sentences, ``(n, dimension)`` float32 of length 1."""
        import numpy as np

        vectors = np.zeros((len(samples), self.space.dimension), np.float32)
        read = [row for row, sample in enumerate(samples) if isinstance(sample, Sentence)]
        seen = [row for row, sample in enumerate(samples) if not isinstance(sample, Sentence)]
        if read:
            vectors[read] = self._reader.encode([samples[row] for row in read])
        if seen:
            vectors[seen] = super().encode([samples[row] for row in seen])
        return unit(vectors)

    @cached_property
    def _folder(self) -> ClipFolder:
        return locate(self.params.model)

    @cached_property
    def _reader(self) -> Any:
        from vicinal_image.towers import Reader

        return Reader(self._folder, self.params.device)

    def _build(self) -> Build:
        from vicinal_image.towers import eye

        return eye(self._folder)


def _is_file(query: str) -> bool:
    try:
        return Path(query).is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False


def _checked(text: str) -> Sentence:
    if not text.strip():
        raise BadItem("the sentence is empty")
    if len(text) > LONGEST_SENTENCE:
        raise BadItem(f"the sentence has {len(text):,} characters, more than {LONGEST_SENTENCE:,}")
    return Sentence(text.encode(errors="replace").decode())
