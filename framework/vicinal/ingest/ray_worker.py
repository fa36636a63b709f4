"""What runs on a worker of a Ray cluster: it makes the run's encoder, and decodes and encodes the changes it is sent.

It imports no ray: it is a class like others, of which the driver makes an actor.
"""

from __future__ import annotations

import os
import pickle
import platform
import threading
import traceback
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from vicinal import __version__
from vicinal.config.models import Block, FieldSpec
from vicinal.errors import PluginError, VicinalError
from vicinal.ingest.batch import DecodedItem, join_batches, split_into_batches
from vicinal.ingest.changes import Change
from vicinal.ingest.encode_stage import EncodeStage
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import require_signature
from vicinal.plugin.manager import create_manager
from vicinal.plugin.params import Params
from vicinal.plugin.state import pack_state, unpack_state
from vicinal.toolkit.malloc import retain_freed_memory
from vicinal.toolkit.slices import iter_slices
from vicinal.toolkit.torch_runtime import low_priority
from vicinal.types import Failure, Metric, Segment

__all__ = ["EncodeWorker", "EncodedChanges", "EncoderRecipe", "WorkerSettings", "is_file"]

_SAME_VERSIONS = "install the same versions of vicinal, of its plugins and of their models on all workers"


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """How to make an encoder like that of the run, in a process that has the same plugins."""

    type: str
    signature: str
    version: str
    """Of vicinal."""
    solution: str
    parameters: bytes
    """Those of the encoder and the settings of plugins, pickled: their classes are the plugins', which may be missing
    where it is read."""
    state: bytes
    """What the encoder has learnt; empty where it does not learn."""

    @classmethod
    def describe(cls, encoder: Encoder, block: Block, solution: str, settings: Mapping[str, Params]) -> Self:
        """The recipe of an encoder that was built from this block."""
        state = pack_state(encoder.state) if encoder.learns else b""
        parameters = pickle.dumps((block.params, dict(settings)))
        return cls(block.type, require_signature(encoder), __version__, solution, parameters, state)

    def make(self) -> Encoder:
        """Make the encoder.

        Raises:
            PluginError: it cannot be made here, or its vectors would be others.
        """
        if self.version != __version__:
            raise PluginError(f"vicinal {__version__} is installed there, here {self.version}", _SAME_VERSIONS)
        encoder = self._build_encoder()
        if self.state:
            encoder.restore(unpack_state(self.state))
        if (signature := require_signature(encoder)) != self.signature:
            raise PluginError(
                f"encoder {self.type!r} makes other vectors there: its signature is {signature}, here {self.signature}",
                _SAME_VERSIONS,
            )
        return encoder

    def _build_encoder(self) -> Encoder:
        manager = create_manager()
        manager.encoders.get(self.type)
        try:
            params, settings = pickle.loads(self.parameters)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"parameters of plugins cannot be read there: {error}", _SAME_VERSIONS) from error
        manager.configure(self.solution, settings)
        return manager.encoders.build(self.type, params)


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What each worker of a run gets."""

    recipe: EncoderRecipe
    fields: dict[str, FieldSpec]
    metric: Metric
    batch_size: int
    """Samples that are encoded together."""
    threads: int
    """Threads that decode."""
    keeps_texts: bool
    """Whether the samples, which are texts, are written beside the vectors."""


@dataclass(slots=True)
class EncodedChanges:
    """What became of the changes that a worker was sent; they are named by their position there."""

    items: list[tuple[int, dict[str, Any], list[Segment]]] = field(default_factory=list)
    """Position, fields and segments of each item, the segments without their samples."""
    vectors: Any = None
    failures: list[Failure] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    missing_files: list[str] = field(default_factory=list)
    """Keys of failures whose content is no file on the worker."""
    has_succeeded: bool = False
    host: str = ""


class EncodeWorker:
    """Decodes and encodes with an encoder of its own. ``encode`` may be called by several threads at once."""

    def prepare(self, settings: WorkerSettings) -> str:
        """Make the encoder, and return the name of this machine; called before ``encode``.

        Raises:
            PluginError: it cannot be made here, or its vectors would be others.
        """
        host = f"{platform.node()} (pid {os.getpid()})"
        retain_freed_memory()
        try:
            encoder = settings.recipe.make()
        except VicinalError as error:
            raise PluginError(f"worker {host}: {error}", error.hint) from None
        lock = nullcontext() if encoder.encode_is_thread_safe else threading.Lock()
        self._host, self._settings = host, settings
        self._stage = EncodeStage(encoder, settings.fields, settings.metric, lock)
        self._decoders = ThreadPoolExecutor(settings.threads, "vicinal-decode")
        return host

    def encode(self, changes: Sequence[Change], has_succeeded: bool) -> EncodedChanges:
        """Decode and encode; ``has_succeeded`` says that the encoder is known to have encoded something elsewhere.

        Raises:
            PluginError: the encoder returns what it must not.
            Exception: the encoder's own error, where the encoder and not an item is at fault.
        """
        try:
            return self._encode_changes(changes, has_succeeded)
        except Exception as error:
            if not isinstance(error, VicinalError):  # its traceback does not reach the driver
                error.add_note(f"on the worker {self._host}:\n{traceback.format_exc()}")
            raise

    def _encode_changes(self, changes: Sequence[Change], has_succeeded: bool) -> EncodedChanges:
        self._stage.has_succeeded |= has_succeeded
        positions = {id(change): position for position, change in enumerate(changes)}
        done = EncodedChanges(host=self._host)
        batches = []
        for batch in split_into_batches(self._decode_changes(changes, positions, done), self._settings.batch_size):
            with low_priority(lambda: False):
                encoded, failures = self._stage.encode_batch(batch)
            done.failures += failures
            batches.append(encoded)
        joined = join_batches(batches)
        done.vectors = joined.vectors
        for item in joined.items:
            segments = [self._without_sample(segment) for segment in item.segments]
            done.items.append((positions[id(item.change)], item.fields, segments))
        done.missing_files = _find_missing_files(changes, done.failures)
        done.has_succeeded = self._stage.has_succeeded
        return done

    def _decode_changes(
        self, changes: Sequence[Change], positions: Mapping[int, int], done: EncodedChanges
    ) -> list[DecodedItem]:
        encoder = self._stage.encoder
        size = 1 if encoder.segmented else encoder.decode_batch_size
        parts = list(iter_slices(changes, size))
        decoded = []
        for items, failures, skipped in self._decoders.map(self._stage.decode_changes, parts):
            decoded += items
            done.failures += failures
            done.skipped += [(positions[id(change)], reason) for change, reason in skipped]
        return decoded

    def _without_sample(self, segment: Segment) -> Segment:
        return segment if self._settings.keeps_texts else replace(segment, sample=None)


def _find_missing_files(changes: Sequence[Change], failures: Sequence[Failure]) -> list[str]:
    failed = {failure.key for failure in failures}
    items = [change.item for change in changes if change.item.key in failed]
    return [item.key for item in items if not is_file(item.content)]


def is_file(content: object) -> bool:
    """Whether an item's content is the path of a file that is there on this machine."""
    return isinstance(content, str | Path) and os.path.isfile(content)  # noqa: PTH113, since Path.is_file may raise
