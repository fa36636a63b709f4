"""Decodes the items of a run and encodes them in batches.

If a batch fails, it is retried item by item, to isolate bad items from a broken encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from vicinal.config.models import FieldSpec
from vicinal.errors import ItemError, ItemSkipped, PluginError, VicinalError
from vicinal.ingest.batch import Batch, DecodedItem
from vicinal.ingest.changes import Change, extract_fields
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import decode_items, encode_samples, find_invalid_vector
from vicinal.plugin.foreign_calls import PluginExitError
from vicinal.types import Failure, Metric

__all__ = ["MAX_CONSECUTIVE_ERRORS", "EncodeStage"]

MAX_CONSECUTIVE_ERRORS = 16
"""After this many consecutive failures the encoder is taken to be broken, and its error ends the run."""


class EncodeStage:
    """Decodes and encodes with one encoder. ``encoder_lock`` is held during ``encode``, not during ``decode``."""

    def __init__(
        self, encoder: Encoder, fields: dict[str, FieldSpec], metric: Metric, encoder_lock: AbstractContextManager[Any]
    ) -> None:
        self.encoder = encoder
        self.has_succeeded = False
        """Whether the encoder is known to have encoded something, in this run or an earlier one."""
        self.fields = fields
        self.metric = metric
        self._encoder_lock = encoder_lock

    def encode_change(self, change: Change) -> Batch:
        """Decode and encode one item.

        Raises:
            ItemError: it cannot be decoded or encoded.
        """
        fields, segments = extract_fields(change.item, self.fields), decode_items(self.encoder, [change.item])[0]
        if isinstance(segments, ItemError):
            raise segments
        items = [DecodedItem(change, fields, segments)]
        return Batch(items, self._encode_items(items))

    def decode_changes(
        self, changes: Sequence[Change]
    ) -> tuple[list[DecodedItem], list[Failure], list[tuple[Change, str]]]:
        """Decode items; those that cannot be decoded become failures, and those left out stand with their reasons."""
        valid, failures, skipped = [], [], []
        for change in changes:
            try:
                valid.append((change, extract_fields(change.item, self.fields)))
            except ItemError as error:
                failures.append(_to_failure(change, "fields", str(error)))
        decoded = []
        results = decode_items(self.encoder, [change.item for change, _ in valid])
        for (change, fields), segments in zip(valid, results, strict=True):
            if isinstance(segments, ItemSkipped):
                skipped.append((change, str(segments)))
            elif isinstance(segments, ItemError):
                failures.append(_to_failure(change, "decode", str(segments)))
            else:
                decoded.append(DecodedItem(change, fields, segments))
        return decoded, failures, skipped

    def encode_batch(self, batch: Batch) -> tuple[Batch, list[Failure]]:
        """Encode a batch; if that fails, item by item, so that only the items at fault become failures.

        Raises:
            PluginError: the encoder returns vectors that are not of its space.
            Exception: the encoder's own error, where the encoder and not an item is at fault.
        """
        try:
            batch.vectors = self._encode_items(batch.items)
            self.has_succeeded = True
            return batch, []
        except (ItemError, PluginExitError):
            pass
        except PluginError as error:
            error.add_note(f"raised by encoder {type(self.encoder).__name__} in encode")
            raise
        except Exception:
            pass
        return self._encode_singly(batch)

    def _encode_singly(self, batch: Batch) -> tuple[Batch, list[Failure]]:
        encoded, vectors, failures, errors = [], [], [], []
        for item in batch.items:
            try:
                vectors.append(self._encode_items([item]))
                encoded.append(item)
            except ItemError as error:
                failures.append(_to_failure(item.change, "encode", str(error)))
            except Exception as error:
                errors.append(error)
                reason = str(error) if isinstance(error, VicinalError) else f"{type(error).__name__}: {error}"
                failures.append(_to_failure(item.change, "encode", reason))
        # The encoder is at fault if it has never succeeded, or fails at many items in a row.
        if len(errors) == len(batch.items) and (not self.has_succeeded or len(errors) > MAX_CONSECUTIVE_ERRORS):
            raise errors[-1]
        return Batch(encoded, np.concatenate(vectors) if vectors else None), failures

    def _encode_items(self, items: Sequence[DecodedItem]) -> np.ndarray:
        samples = [segment.sample for item in items for segment in item.segments]
        with self._encoder_lock:
            vectors = encode_samples(self.encoder, samples)
        if reason := find_invalid_vector(self.encoder, vectors, self.metric):
            raise ItemError(reason)
        return vectors


def _to_failure(change: Change, stage: str, reason: str) -> Failure:
    return Failure(change.item.key, stage, reason, change.item.uri)
