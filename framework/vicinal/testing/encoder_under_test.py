"""The encoder that a contract's tests are about: how it is made, its items, and the process that makes it anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vicinal.plugin.encoder import Encoder
from vicinal.testing.checks import assert_same
from vicinal.testing.process import Answer, ask
from vicinal.types import Item, Segment, Space

__all__ = ["EncoderUnderTest", "embed_items", "encode_copy", "make_items"]


class EncoderUnderTest:
    """What a subclass gives, and what the tests make of it: an encoder that has learnt, items, samples and vectors.

    What needs files may be set on ``self`` by a fixture of the subclass with ``autouse=True``.
    """

    encoder_class: ClassVar[type[Encoder]]
    """The class under test; or override ``make_encoder``."""
    params: ClassVar[Mapping[str, Any]] = {}
    """The keys of its YAML block, beside ``type``."""
    good: ClassVar[Sequence[Any]] = ()
    """Three or more contents (or Items) that can be encoded and differ from each other."""
    bad: ClassVar[Sequence[Any]] = ()
    """Contents (or Items) that ``decode`` must refuse: empty ones, broken files, another format."""
    variants: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Other parameters, each of which changes the vectors, and so must change the signature."""
    tolerance: ClassVar[float] = 1e-4
    """How far a float vector may be from its twin in another batch: 1 - cosine."""
    libraries: ClassVar[Set[str]] = frozenset()
    """Heavy packages that ``space`` and ``signature`` may import, where only they know what their networks give."""
    query_differs: ClassVar[bool] = False
    """Set it where a query is meant to be encoded otherwise than an item (a prefix, another network)."""

    _made: ClassVar[tuple[str, Encoder]]
    _described: ClassVar[tuple[str, Answer]]

    def make_encoder(self, params: Mapping[str, Any] | None = None) -> Encoder:
        """Make a fresh encoder; ``params`` are given for the ``variants`` only."""
        return _build_encoder(self.encoder_class, dict(self.params if params is None else params))

    @property
    def items(self) -> list[Item]:
        """The good contents as items."""
        assert len(self.good) >= 3, "give three or more contents, as `good`"
        return make_items(self.good)

    @property
    def encoder(self) -> Encoder:
        """An encoder for all tests that need no fresh one, so that a model is loaded once for the class."""
        key = self._make_cache_key()
        if "_made" not in vars(type(self)) or self._made[0] != key:
            type(self)._made = (key, self._make_fitted())
        return self._made[1]

    @property
    def description(self) -> Answer:
        """Space and signature in a fresh process, which is asked once for the class."""
        key = self._make_cache_key()
        if "_described" not in vars(type(self)) or self._described[0] != key:
            type(self)._described = (key, self._ask_process(_describe_encoder))
        return self._described[1]

    def _make_cache_key(self) -> str:
        return repr((self.params, sorted(vars(self).items())))

    def _make_fitted(self, *more: Item) -> Encoder:
        return _fit_encoder(self.make_encoder(), [*self.items, *more])

    def _get_reader(self, text: str) -> Encoder:
        """An encoder that reads a text; one that learns from texts learns from it too, or it may know no word of it."""
        modalities = self.encoder.query_modalities
        is_learnt = self.encoder.learns and modalities[0].input == "text"
        return self._make_fitted(Item("query", text)) if is_learnt else self.encoder

    def _decode_samples(self) -> list[Any]:
        return [segment.sample for item in self.items for segment in self.encoder.decode(item)]

    def _embed_items(self, encoder: Encoder | None = None) -> np.ndarray:
        return embed_items(lambda: encoder or self.encoder, self.items)

    def _encode_segments(self, segments: Sequence[Segment]) -> np.ndarray:
        return encode_copy(self.encoder, [segment.sample for segment in segments])

    def _encode_item(self, encoder: Encoder, item: Item) -> tuple[list[tuple[float | None, float | None]], np.ndarray]:
        segments = encoder.decode(item)
        return [(segment.start, segment.end) for segment in segments], self._encode_segments(segments)

    def _select_queries(self, contents: Sequence[Any]) -> list[str | Path]:
        return [item.content for item in make_items(contents) if isinstance(item.content, str | Path)]

    def _assert_same(self, first: np.ndarray, second: np.ndarray, what: str) -> None:
        assert_same(self.encoder.space, first, second, self.tolerance, what)

    def _ask_process(self, question: Callable[..., Any], *arguments: Any) -> Answer:
        """Ask a fresh process, which imports the encoder's module alone where ``make_encoder`` is not overridden."""
        if type(self).make_encoder is not EncoderUnderTest.make_encoder:
            return ask(partial(question, self.make_encoder, *arguments), type(self))
        make = partial(_build_encoder, self.encoder_class, dict(self.params))
        return ask(partial(question, make, *arguments), self.encoder_class)


def encode_copy(encoder: Encoder, samples: Sequence[Any]) -> np.ndarray:
    """Vectors that a later call cannot change; one test alone is about that."""
    return np.array(encoder.encode(samples))


def _fit_encoder(encoder: Encoder, items: Sequence[Item]) -> Encoder:
    """Have an encoder that learns do so."""
    if encoder.learns:
        encoder.restore(encoder.fit(items))
    return encoder


def make_items(contents: Sequence[Any]) -> list[Item]:
    return [
        content if isinstance(content, Item) else Item(f"item-{number}", content)
        for number, content in enumerate(contents)
    ]


def _build_encoder(encoder_class: type[Encoder], params: Mapping[str, Any]) -> Encoder:
    return encoder_class(encoder_class.Params.model_validate(params))


def _describe_encoder(make: Callable[[], Encoder]) -> tuple[Space, str]:
    encoder = make()
    return encoder.space, encoder.signature


def embed_items(make: Callable[[], Encoder], items: Sequence[Item]) -> np.ndarray:
    encoder = make()
    if not encoder.state_hash:
        _fit_encoder(encoder, items)
    return encode_copy(encoder, [segment.sample for item in items for segment in encoder.decode(item)])
