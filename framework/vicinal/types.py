"""The nouns of vicinal: what is read, what is encoded, what is found, what failed.

An *item* is one thing a user indexes. An encoder turns it into *segments*, parts with a vector of their own (a whole
text, a frame at 12.0 s). A search finds *hits*. An item that could not be read is a *failure* with its reason.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, overload

from vicinal.errors import ItemError

__all__ = [
    "Failure",
    "Hit",
    "IngestReport",
    "Item",
    "Metric",
    "Modality",
    "Rendering",
    "SearchRequest",
    "SearchResult",
    "Segment",
    "Space",
    "TextQuery",
    "is_blank",
    "item_id",
]

Metric = Literal["COSINE", "IP", "L2", "JACCARD"]
Modality = Literal["text", "smiles", "image", "audio", "video"]


def item_id(key: str, segment: int = 0) -> int:
    """The primary key of a segment: the upper 63 bits of BLAKE2b over the item's key and the segment's number.

    It derives from the item alone, so writing an item twice changes nothing.
    """
    digest = blake2b(f"{key}\0{segment}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a user indexes.

    ``key`` names it within its source, for good. ``content`` is what the encoder decodes: a text, a SMILES, or the path
    of a file. ``metadata`` is kept in Redis and given back with a hit. ``version`` tells a changed item from an
    unchanged one without reading it (a file's size and time, say); without it content and metadata are compared.
    """

    key: str
    content: Any
    uri: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of an item with a vector of its own: ``sample`` goes to ``Encoder.encode``; times are in seconds."""

    sample: Any
    start: float | None = None
    end: float | None = None


_BLANK_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Mc", "Me", "Mn", "Zl", "Zp", "Zs"))
_BLANK_CHARACTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\ufffc\ufffe\uffff")
"""Hangul's fillers, the empty Braille pattern, the mark of an embedded object, and a reversed byte order mark."""


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it has only whitespace, control, zero-width and combining characters.

    Unassigned and private characters count as visible: they may be newer than this Python, or have a font of their own.
    """
    return all(
        character in _BLANK_CHARACTERS or unicodedata.category(character) in _BLANK_CATEGORIES for character in text
    )


class TextQuery(str):
    """A text that pictures or sounds are searched with: the sample of a query that is no file."""

    __slots__ = ()

    PREFIX: ClassVar[str] = "text:"
    """Before a query, it says that what follows is a sentence, though a file may have that name."""
    MAX_CHARS: ClassVar[int] = 10_000
    """Characters; networks read the first fifty to a few hundred words."""

    @classmethod
    def parse(cls, query: Any, endings: tuple[str, ...]) -> Self | None:
        """The sentence that a query is; None where it is a file: its path, its bytes, or an object.

        Raises:
            ItemError: it is empty or too long, or has one of these endings, as a file has, and there is none.
        """
        if not isinstance(query, str):
            return None
        if not query.startswith(cls.PREFIX):
            if os.path.isfile(query):  # noqa: PTH113, since Path.is_file raises for a name that is too long
                return None
            if query.lower().endswith(endings) and not re.search(r"\s", query):
                raise ItemError(f"there is no file {query}; write {cls.PREFIX}{query} if that is a sentence")
        text = query.removeprefix(cls.PREFIX)
        if len(text) > cls.MAX_CHARS:
            raise ItemError(f"the sentence has {len(text):,} characters, more than {cls.MAX_CHARS:,}")
        if is_blank(text):
            raise ItemError("the sentence is empty")
        return cls(text.encode(errors="replace").decode())


@dataclass(frozen=True, slots=True)
class Space:
    """Where an encoder's vectors live: dimension (in bits for ``binary``), kind, and the metric that suits them."""

    dimension: int
    kind: Literal["float", "binary"] = "float"
    metric: Metric = "COSINE"


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be indexed: at which stage (``read``, ``decode``, ``encode``, ``fields``) and why."""

    key: str
    stage: str
    message: str
    uri: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a face shows an item: ``kind`` is what ``value`` holds, a text, SVG source, or the path of a media file."""

    kind: Literal["text", "svg", "image", "audio", "video"]
    value: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A found item.

    ``distance`` is what the metric says; ``similarity`` rises with nearness and is 1 for the same thing: cosine,
    Tanimoto, inner product as it is, 1 / (1 + distance) for L2. ``segment`` tells which part of the item was nearest
    (its number, and its start and end in seconds), or is None for items that are not cut into segments.
    """

    key: str
    rank: int
    distance: float
    similarity: float
    uri: str
    metadata: Mapping[str, Any]
    content: str | None = None
    segment: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The hit as the JSON object that every face prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One query, how many items it wants, and a filter; ``segments`` where it is decoded already."""

    query: str | Path
    limit: int = 10
    filter: str = ""
    segments: Sequence[Segment] | None = None


class SearchResult(Sequence[Hit]):
    """The hits of one query, best first, and how long each step took, in milliseconds."""

    def __init__(self, hits: Sequence[Hit], timings_ms: dict[str, float]) -> None:
        self.hits = list(hits)
        self.timings_ms = timings_ms

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | list[Hit]:
        return self.hits[index]

    def __len__(self) -> int:
        return len(self.hits)

    def __repr__(self) -> str:
        return f"SearchResult({self.hits!r})"

    def to_dict(self, solution: str) -> dict[str, Any]:
        """The result as the JSON object that ``search --json`` prints."""
        return {
            "solution": solution,
            "hits": [hit.to_dict() for hit in self.hits],
            "timings_ms": {name: round(value, 3) for name, value in self.timings_ms.items()},
        }


@dataclass(slots=True)
class IngestReport:
    """What a run did, in items; ``rows`` is the number of vectors that the collection holds after it."""

    solution: str
    seen: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    rows: int = 0
    seconds: float = 0.0
    items_per_second: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def took(self, seconds: float) -> None:
        """Note how long the run took, and its pace."""
        self.seconds = round(seconds, 3)
        self.items_per_second = round(self.seen / max(self.seconds, 1e-9), 1)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``ingest --json`` prints."""
        return asdict(self)
