"""Calls an encoder and checks what it returns, so that a plugin's mistake is an error that names the encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vicinal.errors import ItemError, PluginError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.foreign_calls import PluginExitError, attribute_errors, name_encoder
from vicinal.toolkit.text import describe_kind
from vicinal.types import Item, Metric, Modality, Segment, Space

__all__ = [
    "decode_items",
    "decode_query",
    "encode_samples",
    "find_invalid_vector",
    "require_modalities",
    "require_signature",
    "require_space",
    "suggest_queries",
]


def require_space(encoder: Encoder) -> Space:
    """The encoder's space.

    Raises:
        PluginError: it is not a ``Space``.
    """
    space = encoder.space
    if not isinstance(space, Space):
        raise PluginError(f"{name_encoder(encoder)}: space is {space!r}, not a Space", hint="return Space(dimension)")
    if (space.kind == "binary") != (space.metric == "JACCARD"):
        raise PluginError(
            f"{name_encoder(encoder)}: its space is {space.kind} and its metric {space.metric}",
            hint='write Space(dimension, "binary", "JACCARD") for packed bits; other metrics are for float vectors',
        )
    return space


def require_modalities(encoder: Encoder) -> tuple[Modality, ...]:
    """What users may search with.

    Raises:
        PluginError: it is not a tuple of modalities.
    """
    modalities = encoder.query_modalities
    if not isinstance(modalities, tuple) or not all(isinstance(modality, Modality) for modality in modalities):
        raise PluginError(
            f"{name_encoder(encoder)}: query_modalities is {modalities!r}, not a tuple of Modality",
            hint="write (TEXT,)",
        )
    return modalities


def require_signature(encoder: Encoder) -> str:
    """The signature of what the encoder makes, with the hash of what it learnt.

    Raises:
        PluginError: it is not a text, or empty.
    """
    signature = encoder.signature
    if not isinstance(signature, str) or not signature:
        raise PluginError(
            f"{name_encoder(encoder)}: signature is {signature!r}, not a text",
            hint="a signature names the model, the hash of its weights, preprocessing and parameters",
        )
    return encoder.fitted_signature


def decode_items(encoder: Encoder, items: Sequence[Item]) -> list[Sequence[Segment] | ItemError]:
    """Decode items: for each its segments, or why it cannot be decoded.

    If ``decode_many`` raises, the items are decoded one by one, so that one of them does not spoil the others.

    Raises:
        PluginError: the encoder returns something else than segments, or cannot decode any item.
    """
    try:
        results = encoder.decode_many(items)
    except (Exception, SystemExit):
        results = [_decode_item(encoder, item) for item in items]
    if not isinstance(results, Sequence) or len(results) != len(items):
        raise PluginError(
            f"{name_encoder(encoder)}: decode_many returned {describe_kind(results)} for {len(items)} items",
            hint="it returns a list with the segments of each item, or an ItemError in their place",
        )
    for item, result in zip(items, results, strict=True):
        if not isinstance(result, ItemError):
            _require_segments(encoder, "decode", result)
            _require_positions(encoder, item, result)
    return [result if result else ItemError("it has no segment to encode") for result in results]


def _decode_item(encoder: Encoder, item: Item) -> Sequence[Segment] | ItemError:
    try:
        with attribute_errors(name_encoder(encoder), "decode"):
            return Encoder.decode_many(encoder, [item])[0]
    except PluginExitError as error:
        return ItemError(str(error))


def decode_query(encoder: Encoder, query: str | Path) -> Sequence[Segment]:
    """The segments of a query.

    Raises:
        ItemError: the query cannot be read.
        PluginError: the encoder returns something else than segments.
    """
    with attribute_errors(name_encoder(encoder), "decode_query"):
        segments = encoder.decode_query(query)
    _require_segments(encoder, "decode_query", segments)
    return segments


def suggest_queries(encoder: Encoder, prefix: str, limit: int) -> list[str]:
    """Texts to search with that begin with a prefix, at most ``limit``; none where the encoder suggests nothing.

    Raises:
        PluginError: the encoder returns something else than texts.
    """
    with attribute_errors(name_encoder(encoder), "suggest_queries"):
        queries = encoder.suggest_queries(prefix, limit)
    if isinstance(queries, str) or not isinstance(queries, Sequence) or not all(isinstance(q, str) for q in queries):
        raise PluginError(
            f"{name_encoder(encoder)}: suggest_queries returned {describe_kind(queries)}, not a list of texts",
            hint='return ["user:17", …]',
        )
    return list(queries[:limit])


def encode_samples(encoder: Encoder, samples: Sequence[object]) -> np.ndarray:
    """Encode samples; the result is a copy, since an encoder may return a view of a buffer that it fills again.

    Raises:
        PluginError: the vectors are not of the encoder's space (``PluginExitError``: it called ``sys.exit``).
    """
    with attribute_errors(name_encoder(encoder), "encode"):
        vectors = np.array(encoder.encode(samples), order="C")
    space = encoder.space
    shape = (len(samples), space.dimension if space.kind == "float" else space.dimension // 8)
    dtype = np.float32 if space.kind == "float" else np.uint8
    if vectors.shape != shape or vectors.dtype != dtype:
        raise PluginError(
            f"{name_encoder(encoder)} returned {vectors.dtype} of shape {vectors.shape},"
            f" not {np.dtype(dtype)} of shape {shape}",
            hint=f"return np.asarray(vectors, np.{np.dtype(dtype)}), a row for each sample",
        )
    return vectors


def find_invalid_vector(encoder: Encoder, vectors: np.ndarray, metric: Metric) -> str:
    """Why one of these vectors cannot be compared with others by this metric; empty where all can."""
    if vectors.dtype == np.uint8:
        return "" if vectors.any(axis=1).all() else "the fingerprint is all zeros"
    with np.errstate(over="ignore", invalid="ignore"):
        squared_lengths = np.einsum("ij,ij->i", vectors, vectors)
    if not np.isfinite(vectors).all():
        return f"{name_encoder(encoder)} returned NaN or infinity"
    if not np.isfinite(squared_lengths).all():
        return f"{name_encoder(encoder)} returned a vector that is too long for float32"
    if metric == "COSINE" and not squared_lengths.all():
        return f"{name_encoder(encoder)} returned a vector of zeros, which has no direction to compare (COSINE)"
    return ""


def _require_segments(encoder: Encoder, method: str, segments: object) -> None:
    if isinstance(segments, Sequence) and all(isinstance(segment, Segment) for segment in segments):
        return
    raise PluginError(
        f"{name_encoder(encoder)}: {method} returned {describe_kind(segments)}, not a list of Segment",
        hint="return [Segment(sample)]",
    )


def _require_positions(encoder: Encoder, item: Item, segments: Sequence[Segment]) -> None:
    """Check that several segments of an item can be told apart, as the encoder says that they can.

    Raises:
        PluginError: they cannot.
    """
    if len(segments) == 1 and not segments[0].label and not encoder.labelled:
        return  # what nearly all are; the checks below take 3 µs
    returned = f"{name_encoder(encoder)}: decode returned {{}} for {item.key!r}, but is"
    if len(segments) > 1 and not encoder.segmented:
        raise PluginError(
            f"{returned.format(f'{len(segments)} segments')} not segmented",
            hint="set `segmented = True` in the encoder's class, or return one segment an item",
        )
    labels = [segment.label for segment in segments]
    if any(labels) and not encoder.labelled:
        raise PluginError(
            f"{returned.format('labels')} not labelled", hint="set `labelled = True` in the encoder's class"
        )
    if encoder.labelled and not all(labels):
        raise PluginError(
            f"{returned.format('a segment without a label')} labelled", hint="write Segment(sample, label=…)"
        )
    if len(segments) > 1 and not encoder.labelled and any(segment.start is None for segment in segments):
        raise PluginError(
            f"{returned.format('segments without times')} segmented",
            hint="write Segment(sample, start, end), in seconds, or set `labelled = True` and give labels",
        )
