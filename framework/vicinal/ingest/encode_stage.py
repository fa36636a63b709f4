"""What an encoder does in a run: it decodes items, and encodes batches of them.

Where it fails, the items that it fails at are told from the others, and bad items from an encoder that is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from vicinal.config.models import FieldSpec
from vicinal.errors import ItemError, PluginError
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change, extract_fields
from vicinal.plugin.encoder import Encoder
from vicinal.types import Failure, Item, Segment

__all__ = ["MAX_CONSECUTIVE_ERRORS", "EncodeStage"]

MAX_CONSECUTIVE_ERRORS = 16
"""An encoder that fails at more items than this in a row is what is wrong, and not the items."""


class EncodeStage:
    """An encoder at work. ``turn`` is held while it encodes; it may decode on many threads."""

    def __init__(self, encoder: Encoder, fields: dict[str, FieldSpec], turn: AbstractContextManager[Any]) -> None:
        self.encoder = encoder
        self.has_succeeded = False
        """Whether it is known to have encoded something."""
        self._fields = fields
        self._encoder_lock = turn

    def single(self, change: Change) -> Batch:
        """One item, decoded and encoded.

        Raises:
            ItemError: it cannot be.
        """
        fields, segments = extract_fields(change.item, self._fields), self._decode_items([change.item])[0]
        if isinstance(segments, ItemError):
            raise segments
        items = [DecodedItem(change, fields, segments)]
        return Batch(items, self._encode_validated(items))

    def decode(self, changes: Sequence[Change]) -> tuple[list[DecodedItem], list[Failure]]:
        """The items that can be read, and why the others cannot."""
        sound, failures = [], []
        for change in changes:
            try:
                sound.append((change, extract_fields(change.item, self._fields)))
            except ItemError as error:
                failures.append(_failure(change, "fields", str(error)))
        done = []
        for (change, fields), segments in zip(
            sound, self._decode_items([change.item for change, _ in sound]), strict=True
        ):
            if isinstance(segments, ItemError):
                failures.append(_failure(change, "decode", str(segments)))
            else:
                done.append(DecodedItem(change, fields, segments))
        return done, failures

    def _decode_items(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        try:
            return self.encoder.decode_many(items)
        except Exception:  # so that one item cannot spoil the others, whatever it did to a reader of many
            return Encoder.decode_many(self.encoder, items)

    def encode(self, batch: Batch) -> tuple[Batch, list[Failure]]:
        """Encode a batch; if that fails, item by item, so that those that spoil it are failures and the others kept.

        Raises:
            PluginError: what the encoder returns is not of its space.
            Exception: what the encoder raised, if it is what is wrong.
        """
        try:
            batch.vectors = self._encode_samples(batch.items)
            if not _flaw(batch.vectors):
                self.has_succeeded = True
                return batch, []
        except PluginError as error:
            raise self._with_note(error) from None
        except Exception:
            pass
        return self._encode_singly(batch)

    def _encode_singly(self, batch: Batch) -> tuple[Batch, list[Failure]]:
        good, vectors, failures, defects = [], [], [], []
        for item in batch.items:
            try:
                vectors.append(self._encode_validated([item]))
                good.append(item)
            except ItemError as error:
                failures.append(_failure(item.change, "encode", str(error)))
            except Exception as error:
                defects.append(error)
                failures.append(_failure(item.change, "encode", f"{type(error).__name__}: {error}"))
        # An encoder that never worked, or fails at many items in a row, is what is wrong, and not the items.
        if len(defects) == len(batch.items) and (not self.has_succeeded or len(defects) > MAX_CONSECUTIVE_ERRORS):
            raise self._with_note(defects[-1])
        return Batch(good, np.concatenate(vectors) if vectors else None), failures

    def _encode_validated(self, items: Sequence[DecodedItem]) -> Any:
        vectors = self._encode_samples(items)
        if flaw := _flaw(vectors):
            raise ItemError(flaw)
        return vectors

    def _encode_samples(self, items: Sequence[DecodedItem]) -> Any:
        samples = [segment.sample for item in items for segment in item.segments]
        with self._encoder_lock:
            vectors = np.ascontiguousarray(self.encoder.encode(samples))
        space = self.encoder.space
        shape = (len(samples), space.dimension if space.kind == "float" else space.dimension // 8)
        kind = np.float32 if space.kind == "float" else np.uint8
        if vectors.shape != shape or vectors.dtype != kind:
            raise PluginError(
                f"encoder {type(self.encoder).__name__} returned {vectors.dtype} of shape {vectors.shape},"
                f" not {np.dtype(kind)} of shape {shape}"
            )
        return vectors

    def _with_note(self, error: Exception) -> Exception:
        error.add_note(f"raised by {type(self.encoder).__module__}.{type(self.encoder).__name__}.encode")
        return error


def _failure(change: Change, stage: str, reason: str) -> Failure:
    return Failure(change.item.key, stage, reason, change.item.uri)


def _flaw(vectors: np.ndarray[Any, Any]) -> str:
    """Why some of these vectors cannot be compared with others; empty where all can."""
    if vectors.dtype == np.float32:
        return "" if np.isfinite(vectors).all() else "its vector is not finite"
    return "" if vectors.any(axis=1).all() else "its fingerprint has no bit set"
