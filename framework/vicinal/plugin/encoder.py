"""The encoder contract: what turns items into vectors. This is the seam at which solutions differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vicinal.errors import ItemError, PluginError, VicinalError
from vicinal.plugin.evaluation import Disturbance, Evaluation
from vicinal.plugin.params import Configurable, P
from vicinal.plugin.state import State, hash_state
from vicinal.types import TEXT, Item, Modality, Rendering, Segment, Space

if TYPE_CHECKING:
    import numpy as np

    from vicinal.toolkit.models import Model

__all__ = ["Encoder"]


class Encoder(Configurable[P], ABC):
    """Turns items into vectors of one space.

    Making one is cheap: it loads no model and imports no heavy package. The model is loaded by the first ``encode``.
    ``decode`` runs on several threads at once; so does ``encode`` where ``encode_is_thread_safe``, and otherwise one
    thread at a time calls it. Every property may be set as an attribute of the class instead.
    """

    _state: State | None = None
    _state_hash: str = ""

    # --- what it is

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
    def query_modalities(self) -> tuple[Modality, ...]:
        """What users search with; the first is what items are themselves.

        By default text where ``samples_are_text``, and nothing otherwise, which only the command line and Python can
        search: a server must not hand a stranger's text to an encoder that reads paths. An encoder that reads both
        files and text takes ``text:…`` for text, though a file may have that name.
        """
        return (TEXT,) if self.samples_are_text else ()

    @property
    def content_label(self) -> str:
        """What people call an item's content, ``SMILES`` say; by default the first of ``query_modalities``.

        Override it where items are something else than what users search with, as films that are searched for by user.
        """
        return self.query_modalities[0].label if self.query_modalities else TEXT.label

    @property
    def segmented(self) -> bool:
        """Whether an item may have several segments; then hits carry the segment that was found."""
        return False

    @property
    def labelled(self) -> bool:
        """Whether segments carry a label and an excerpt in place of times; it needs ``segmented``."""
        return False

    @property
    def samples_are_text(self) -> bool:
        """Whether samples are strings, so that ``hybrid: true`` can index their words beside their vectors."""
        return False

    @property
    def reads_vectors(self) -> bool:
        """Whether users may search with a vector, a list of numbers; ``decode_query`` gets it as a text, in JSON."""
        return False

    def list_models(self) -> Sequence[Model]:
        """The models that it loads, as it is configured; by default none.

        ``vicinal bundle`` takes them along to machines without a network, where the same ``Model.resolve()`` finds
        them. An encoder that gets its weights from anywhere else cannot work there.
        """
        return ()

    # --- how it works

    @property
    def decode_batch_size(self) -> int:
        """The most items that one call of ``decode_many`` is given."""
        return 16

    @property
    def encode_batch_size(self) -> int:
        """The most samples that one call of ``encode`` is given; more lets an encoder sort and batch them better."""
        return 256

    @property
    def truncation_note(self) -> str:
        """How much the encoder reads of an item, and what to do about longer ones, whose segments are ``truncated``.

        Reports say it after their number, as "the model reads 256 tokens; …".
        """
        return ""

    @property
    def encode_is_thread_safe(self) -> bool:
        """Whether several threads may call ``encode`` at once.

        A search then need not wait until a run has encoded a whole batch, a run has two batches in flight, so that no
        core waits for the end of one, and a server's run needs no model of its own. Load the model in a
        ``locked_cached_property`` and compute batches with ``parallel_map``, both of ``vicinal.toolkit.torch_runtime``:
        calls that each use all of torch's threads are slower at once than one after another.
        """
        return False

    @abstractmethod
    def decode(self, item: Item) -> Sequence[Segment]:
        """Read an item and prepare its samples. Thread-safe; uses the CPU only.

        Raises:
            ItemError: the item cannot be read; the reason is recorded and the run goes on.
            PluginError: no item can be read (``DependencyError``: a model is missing, say); the run ends with it.
        """

    def decode_many(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        """Read several items: for each its segments, or why it cannot be read; by default one after another.

        Override it, and ``decode_batch_size``, where a library reads many at once in less time. Thread-safe.
        """
        return [self._decode_or_error(item) for item in items]

    def _decode_or_error(self, item: Item) -> Sequence[Segment] | ItemError:
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

    def suggest_queries(self, prefix: str, limit: int) -> Sequence[str]:
        """Texts to search with that begin with what a user has typed, at most so many; by default none.

        For what people cannot guess, as ``user:17`` after ``us``; an empty prefix asks for some of all. It is called
        while people type, on any thread, so answer in milliseconds. ``decode_query`` reads each of them.
        """
        return ()

    @property
    def suggests_queries(self) -> bool:
        """Whether it has suggestions: it does where it has a ``suggest_queries``."""
        return type(self).suggest_queries is not Encoder.suggest_queries

    def render(self, item: Item) -> Rendering:
        """How an item is shown, in the terminal, on the page and in a notebook; by default its content as text."""
        return Rendering("text", str(item.content))

    # --- examples and indexed items as queries

    def to_query_vector(self, stored: np.ndarray) -> np.ndarray:
        """The query that finds items like an indexed one: ``(dimension,)`` float32; by default its own vector.

        Searches by ``@key`` use it, and ``diversity``, for which two items are as similar as one finds the other.
        Override it where a query is something else than an item, as where one vector is made to be searched in several
        ways. Zeros say that nothing is known that is like the item: a search by it is refused. Binary vectors are
        searched for as they are.
        """
        return stored

    def combine_examples(self, liked: np.ndarray, unliked: np.ndarray) -> np.ndarray:
        """The query that finds what is like some examples and unlike others; by default Rocchio's.

        That is the mean of the liked, plus its difference from the mean of the unliked (J. J. Rocchio, "Relevance
        feedback in information retrieval", 1971; with weights of 2 and 1, and none for an original query). Binary
        vectors are not combined: an item's similarity is its best to any of the liked.

        Args:
            liked: ``(n, dimension)`` float32, n at least 1: of indexed items the stored vectors, of others those that
                ``encode`` returns; an example of several segments is their mean. Under the metric COSINE each is of
                length 1.
            unliked: ``(m, dimension)`` in the same form; m may be 0.

        Returns:
            ``(dimension,)``, a float vector that the collection is searched with.

        Raises:
            ItemError: they cannot be combined; its ``argument`` may say which is at fault, as ``unlike.0``.
        """
        mean: np.ndarray = liked.mean(axis=0)
        return mean + (mean - unliked.mean(axis=0)) if len(unliked) else mean

    def list_excluded_keys(self, query: str | Path) -> Sequence[str]:
        """The keys of items that a search by this query leaves out, as what a user has seen; by default none.

        It is asked for queries and examples that ``decode_query`` reads. Items that are a query or an example
        themselves, as ``@key``, are left out in any case.
        """
        return ()

    # --- learning from the items

    @property
    def learns(self) -> bool:
        """Whether it has to learn from a solution's items before it can encode: it does where it has a ``fit``."""
        return type(self).fit is not Encoder.fit

    def fit(self, items: Iterable[Item]) -> State:
        """Learn from a solution's items, which may be read more than once; return what was learnt, arrays by name.

        The first ingest calls it, and ``vicinal fit``. The state is kept with the solution, so that every process that
        opens it has the same; ``decode`` and ``encode`` read it as ``self.state``. Its hash becomes part of what tells
        one encoder's vectors from another's.

        Raises:
            ItemError: nothing can be learnt from these items; with the reason.
        """
        raise NotImplementedError

    @property
    def fit_note(self) -> str:
        """What the last ``fit`` of this process left out or noticed, which its run's report and ``vicinal fit`` say."""
        return ""

    @property
    def state(self) -> State:
        """What ``fit`` returned, here or in another process.

        Raises:
            PluginError: it was not fitted yet.
        """
        if self._state is None:
            raise PluginError(
                f"{type(self).__name__} has not learnt yet", "run `vicinal ingest` or `vicinal fit` first"
            )
        return self._state

    def restore(self, state: State) -> None:
        """Take over what an encoder like this one learnt. Override it where something is derived from the state."""
        self._state, self._state_hash = dict(state), hash_state(state)

    @property
    def state_hash(self) -> str:
        """The hash of what it learnt; empty before."""
        return self._state_hash

    @property
    def fitted_signature(self) -> str:
        """What tells the vectors of a collection from others: the signature, and the hash of what was learnt."""
        return f"{self.signature}/fit={self._state_hash}" if self.learns else self.signature

    # --- being measured

    def build_evaluation(self, items: Iterable[Item]) -> Evaluation | None:
        """What ``vicinal evaluate`` measures this encoder by, where it is to be measured on data of its own.

        By default None: searches are then measured by labels of the items, or by judgments. ``items`` are those of the
        source, as ``fit`` gets them; it need not have learnt anything yet.

        Raises:
            VicinalError: its data cannot be read.
        """
        return None

    def list_disturbances(self) -> Sequence[Disturbance]:
        """What happens to items before somebody searches with them, for ``vicinal evaluate --self``.

        Each changes an item as people do, and keeps what makes it the same one: a picture that is cropped or mirrored.
        By default there is none.
        """
        return ()

    @property
    def quality_note(self) -> str:
        """Why all searches by this encoder are worse than they could be, as that its weights are random; else empty.

        Evaluations warn of it.
        """
        return ""
