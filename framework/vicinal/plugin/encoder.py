"""The encoder contract: what turns items into vectors. This is the seam at which solutions differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vicinal.errors import ItemError, VicinalError
from vicinal.plugin import params
from vicinal.types import Item, Modality, Rendering, Segment, Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Encoder"]


class Encoder(ABC):
    """Turns items into vectors of one space.

    Making one is cheap: it loads no model and imports no heavy package. The model is loaded by the first ``encode``.
    ``decode`` runs on several threads at once; so does ``encode`` where ``encode_is_thread_safe``, and otherwise one
    thread at a time calls it.
    """

    class Params(params.Params):
        """The keys that the encoder's YAML block accepts beside ``type``."""

    segmented: ClassVar[bool] = False
    """Whether an item may have several segments; then hits carry the segment with its times."""
    samples_are_text: ClassVar[bool] = False
    """Whether samples are strings, so that ``hybrid: true`` can index their words beside their vectors."""

    decode_batch_size: ClassVar[int] = 16
    """How many items one call of ``decode_many`` is given at most."""

    def __init__(self, params: Any = None) -> None:
        self.params: Any = type(self).Params() if params is None else params

    @property
    @abstractmethod
    def space(self) -> Space:
        """Dimension, kind and default metric of the vectors; known without loading the model."""

    @property
    @abstractmethod
    def signature(self) -> str:
        """A text that changes whenever the vectors would: model, hash of the weights, preprocessing, parameters.

        It must be the same in every process, and cheap: it is asked for before anything is encoded.
        """

    @property
    def encode_batch_size(self) -> int:
        """How many samples one call of ``encode`` is given at most; more lets an encoder sort and batch them better."""
        return 256

    @property
    def encode_is_thread_safe(self) -> bool:
        """Whether ``encode`` may be called by several threads at once; a class may set it as an attribute.

        A search then need not wait until a run has encoded a whole window of samples, a run has two windows in hand, so
        that no core waits for the end of one, and a server's run needs no model of its own. Load the model in a
        ``locked_cached_property`` and compute batches with ``parallel_map``, both of ``vicinal.toolkit.torch_runtime``:
        calls that each use all of torch's threads are slower at once than one after another.
        """
        return False

    @property
    def query_modalities(self) -> tuple[Modality, ...]:
        """What a user may search with; first what items are themselves. Faces ask for a text or a file by this.

        A class may set it as an attribute. Without it, that is texts where ``texts`` is set, and nothing otherwise: a
        server must not hand a stranger's text to an encoder that reads paths. One that reads both takes ``text:…`` for
        a text, though a file may have that name.
        """
        return ()

    @abstractmethod
    def decode(self, item: Item) -> Sequence[Segment]:
        """Read an item and prepare its samples. Thread-safe; uses the CPU only.

        Raises:
            ItemError: the item cannot be read; the reason is recorded and the run goes on.
            PluginError: none can be read (``DependencyError``: a model is not there, say); the run ends with it.
        """

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Read several items: for each its segments, or why it cannot be read; by default one after another.

        Override it, and ``decode_batch_size``, where a library reads many at once in less time. Thread-safe.
        """
        return [self._decoded(item) for item in items]

    def _decoded(self, item: Item) -> Sequence[Segment] | ItemError:
        try:
            return self.decode(item) or ItemError("it has no segment to encode")
        except ItemError as error:
            return error
        except VicinalError:  # the set-up is at fault, and every other item would meet it as well
            raise
        except Exception as error:  # whatever a file does to a decoder, the other files are worth having
            return ItemError(f"{type(error).__name__}: {error}")

    @abstractmethod
    def encode(self, samples: Sequence[Any]) -> np.ndarray:
        """Encode samples: ``(n, dimension)`` float32, or ``(n, dimension / 8)`` uint8 with bits packed big-endian."""

    def decode_query(self, query: str | Path) -> Sequence[Segment]:
        """Prepare what a user searches with; by default it is read as an item is.

        Raises:
            ItemError: the query cannot be read.
        """
        return self.decode(Item(key="query", content=query))

    def render(self, item: Item) -> Rendering:
        """How a face shows an item; by default its content as text."""
        return Rendering("text", str(item.content))
