"""Decodes the items of a run and encodes them in batches.

If a batch fails, it is retried item by item, to isolate bad items from a broken encoder.
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
"""After this many consecutive failures the encoder is taken to be broken, and its error ends the run."""


class EncodeStage:
    """Decodes and encodes with one encoder. ``encoder_lock`` is held during ``encode``, not during ``decode``."""

    def __init__(
        self, encoder: Encoder, fields: dict[str, FieldSpec], encoder_lock: AbstractContextManager[Any]
    ) -> None:
        self.encoder = encoder
        self.has_succeeded = False
        """Whether the encoder is known to have encoded something, in this run or an earlier one."""
        self._fields = fields
        self._encoder_lock = encoder_lock

    def encode_change(self, change: Change) -> Batch:
        """Decode and encode one item.

        Raises:
            ItemError: it cannot be decoded or encoded.
        """
        fields, segments = extract_fields(change.item, self._fields), self._decode_items([change.item])[0]
        if isinstance(segments, ItemError):
            raise segments
        items = [DecodedItem(change, fields, segments)]
        return Batch(items, self._encode_validated(items))

    def decode_changes(self, changes: Sequence[Change]) -> tuple[list[DecodedItem], list[Failure]]:
        """Decode items; those that cannot be decoded become failures."""
        valid, failures = [], []
        for change in changes:
            try:
                valid.append((change, extract_fields(change.item, self._fields)))
            except ItemError as error:
                failures.append(_to_failure(change, "fields", str(error)))
        decoded = []
        for (change, fields), segments in zip(
            valid, self._decode_items([change.item for change, _ in valid]), strict=True
        ):
            if isinstance(segments, ItemError):
                failures.append(_to_failure(change, "decode", str(segments)))
            else:
                decoded.append(DecodedItem(change, fields, segments))
        return decoded, failures

    def _decode_items(self, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
        try:
            return self.encoder.decode_many(items)
        except Exception:  # one item must not spoil the others, whatever it does to a reader of many
            return Encoder.decode_many(self.encoder, items)

    def encode_batch(self, batch: Batch) -> tuple[Batch, list[Failure]]:
        """Encode a batch; if that fails, item by item, so that only the items at fault become failures.

        Raises:
            PluginError: the encoder returns vectors that are not of its space.
            Exception: the encoder's own error, where the encoder and not an item is at fault.
        """
        try:
            batch.vectors = self._encode_samples(batch.items)
            if not _invalid_reason(batch.vectors):
                self.has_succeeded = True
                return batch, []
        except PluginError as error:
            raise self._with_note(error) from None
        except Exception:
            pass
        return self._encode_singly(batch)

    def _encode_singly(self, batch: Batch) -> tuple[Batch, list[Failure]]:
        encoded, vectors, failures, errors = [], [], [], []
        for item in batch.items:
            try:
                vectors.append(self._encode_validated([item]))
                encoded.append(item)
            except ItemError as error:
                failures.append(_to_failure(item.change, "encode", str(error)))
            except Exception as error:
                errors.append(error)
                failures.append(_to_failure(item.change, "encode", f"{type(error).__name__}: {error}"))
        # The encoder is at fault if it has never succeeded, or fails at many items in a row.
        if len(errors) == len(batch.items) and (not self.has_succeeded or len(errors) > MAX_CONSECUTIVE_ERRORS):
            raise self._with_note(errors[-1])
        return Batch(encoded, np.concatenate(vectors) if vectors else None), failures

    def _encode_validated(self, items: Sequence[DecodedItem]) -> Any:
        vectors = self._encode_samples(items)
        if reason := _invalid_reason(vectors):
            raise ItemError(reason)
        return vectors

    def _encode_samples(self, items: Sequence[DecodedItem]) -> Any:
        samples = [segment.sample for item in items for segment in item.segments]
        with self._encoder_lock:
            vectors = np.ascontiguousarray(self.encoder.encode(samples))
        space = self.encoder.space
        shape = (len(samples), space.dimension if space.kind == "float" else space.dimension // 8)
        dtype = np.float32 if space.kind == "float" else np.uint8
        if vectors.shape != shape or vectors.dtype != dtype:
            raise PluginError(
                f"encoder {type(self.encoder).__name__} returned {vectors.dtype} of shape {vectors.shape},"
                f" not {np.dtype(dtype)} of shape {shape}"
            )
        return vectors

    def _with_note(self, error: Exception) -> Exception:
        error.add_note(f"raised by {type(self.encoder).__module__}.{type(self.encoder).__name__}.encode")
        return error


def _to_failure(change: Change, stage: str, reason: str) -> Failure:
    return Failure(change.item.key, stage, reason, change.item.uri)


def _invalid_reason(vectors: np.ndarray[Any, Any]) -> str:
    """Why some of these vectors cannot be compared with others; empty where all can."""
    if vectors.dtype == np.float32:
        return "" if np.isfinite(vectors).all() else "the encoder returned NaN or infinity"
    return "" if vectors.any(axis=1).all() else "the fingerprint is all zeros"
