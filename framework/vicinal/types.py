"""The core data types: Item, Segment, Modality, Hit, Failure, SearchResult, IngestReport.

An *item* is one thing a user indexes. An encoder turns it into *segments*, parts with a vector of their own (a whole
text, a frame at 12.0 s). A search finds *hits*. An item that cannot be read is a *failure* with its reason. A
*modality* says what users search with, and how items of it are shown.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, overload
from urllib.parse import unquote, urlsplit

from vicinal.errors import ItemError
from vicinal.toolkit.html import media_to_html
from vicinal.toolkit.text import is_blank, shorten

__all__ = [
    "AUDIO",
    "IMAGE",
    "TEXT",
    "VIDEO",
    "Failure",
    "Hit",
    "IngestReport",
    "Item",
    "Metric",
    "Modality",
    "RenderKind",
    "Rendering",
    "SearchRequest",
    "SearchResult",
    "Segment",
    "SegmentMatch",
    "Space",
    "TextQuery",
    "item_id",
    "path_from_file_uri",
]

Metric = Literal["COSINE", "IP", "L2", "JACCARD"]
SegmentMatch = Literal["mean", "best"]
MAX_EXCERPT_CHARS = 2_000
RenderKind = Literal["text", "svg", "image", "audio", "video"]


def path_from_file_uri(uri: str) -> Path | None:
    """The file that a ``file:`` URI names; None for any other, and for a part of a file."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc or parts.fragment or parts.query:
        return None
    return Path(unquote(parts.path))


def item_id(key: str, segment: int = 0) -> int:
    """The primary key of a segment: the upper 63 bits of BLAKE2b over the item's key and the segment's number.

    It derives from the item alone, so writing an item twice changes nothing.
    """
    digest = blake2b(f"{key}\0{segment}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a user indexes.

    ``key`` names it within its source, for good. ``content`` is what the encoder decodes: a text, or the path
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
    """A part of an item with a vector of its own: ``sample`` goes to ``Encoder.encode``.

    Where it lies in the item is told by ``start`` and ``end`` in seconds or, by an encoder whose segments are
    ``labelled``, by a ``label`` for people, as ``bases 200 to 500``, of 256 characters at most. An ``excerpt`` is what
    they see of it in place of the whole item, of 2,000 characters at most. ``truncated`` says that the encoder reads
    only the beginning of what the segment stands for; reports count such items.
    """

    sample: Any
    start: float | None = None
    end: float | None = None
    label: str = ""
    excerpt: str = ""
    truncated: bool = False


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
class Modality:
    """A kind of thing that users search with, declared by an encoder.

    Terminal, server and page act on ``input`` and ``renders`` alone, never on ``name``: a plugin may bring its own::

        DNA = Modality("dna", label="DNA", placeholder="As GATTACA", example="GATTACAGATTACA", renders="svg")
    """

    name: str
    """What the JSON of the API calls it; lower-case letters, digits and hyphens."""
    input: Literal["text", "file"] = "text"
    """Whether users type it or choose a file."""
    label: str = ""
    """What people call it, ``SMILES`` say; by default the name."""
    placeholder: str = ""
    """What an empty input field says."""
    example: str = ""
    """Something to search for that is sure to be read; for files none is needed."""
    renders: RenderKind = "text"
    """What ``Encoder.render`` makes of an item of this modality."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.name):
            raise ValueError(f"modality {self.name!r}: a name has lower-case letters, digits and hyphens")
        object.__setattr__(self, "label", self.label or self.name)


TEXT = Modality("text", label="text", placeholder="Ask, or describe what you are looking for", example="how do I begin")
IMAGE = Modality("image", "file", placeholder="Drop an image", renders="image")
AUDIO = Modality("audio", "file", label="sound", placeholder="Drop an audio file", renders="audio")
VIDEO = Modality("video", "file", placeholder="Drop a video", renders="video")


@dataclass(frozen=True, slots=True)
class Space:
    """Where an encoder's vectors live: dimension (in bits for ``binary``), kind, and the metric that suits them."""

    dimension: int
    kind: Literal["float", "binary"] = "float"
    metric: Metric = "COSINE"


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that could not be indexed: at which stage (``read``, ``decode``, ``encode``, ``fields``) and why.

    ``hides_items`` says that items of other keys may stand behind it, as in a file of many that cannot be read: a run
    that meets it prunes nothing. A source sets it to False where the failure stands for the one item of its key.
    """

    key: str
    stage: str
    message: str
    uri: str = ""
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    hides_items: bool = field(default=True, kw_only=True)

    def to_dict(self) -> dict[str, str]:
        """The failure as the JSON object that ``failures --json`` prints: what is kept of it."""
        return {name: getattr(self, name) for name in ("key", "stage", "message", "uri", "at")}


@dataclass(frozen=True, slots=True)
class Rendering:
    """How an item is shown: ``kind`` is what ``value`` holds, a text, SVG source, or the path of a media file."""

    kind: RenderKind
    value: str

    def _repr_html_(self) -> str:
        """What a notebook shows: the picture, player, drawing or text itself."""
        return media_to_html(self.kind, self.value)


@dataclass(frozen=True, slots=True)
class Hit:
    """A found item.

    ``distance`` is what the metric says; ``similarity`` rises with nearness and is 1 for the same thing: cosine,
    Tanimoto, inner product as it is, 1 / (1 + distance) for L2. ``segment`` tells which part of the item was nearest
    (its number, its start and end in seconds or, of a labelled one, its label and excerpt), or is None for items that
    are not cut into segments. ``score`` and ``note`` are what a reranker says of it.
    """

    key: str
    rank: int
    distance: float
    similarity: float
    uri: str
    metadata: Mapping[str, Any]
    content: str | None = None
    segment: Mapping[str, Any] | None = None
    score: float | None = None
    note: str | None = None

    def with_score(self, score: float, note: str | None = None) -> Self:
        """The same hit with a reranker's score, which rises with relevance, and what it says to people."""
        return replace(self, score=score, note=note)

    @property
    def excerpt(self) -> str | None:
        """What people read of it: the found segment's excerpt, else the beginning of its content; None for a file."""
        own = (self.segment or {}).get("excerpt")
        return own or (None if self.content is None else shorten(self.content, MAX_EXCERPT_CHARS))

    @property
    def place(self) -> str:
        """Which part of the item was found: its label, or its start as players show it: 0:05, 1:02:03; else nothing."""
        segment = self.segment or {}
        if segment.get("label"):
            return str(segment["label"])
        if segment.get("start") is None:
            return ""
        minutes, seconds = divmod(int(segment["start"]), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

    def to_dict(self, *, whole: bool = False) -> dict[str, Any]:
        """The hit as the JSON object that every client gets; ``content`` is its excerpt, unless ``whole``.

        It is shallow: ``asdict`` copies every value, which takes thirty times as long (77 µs a hit instead of 2.6).
        """
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "content": self.content if whole else self.excerpt}


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What one user searches for: a query, examples, or both; how many items, and what they must be like.

    A query, and each example, is what the encoder reads (a text, the path of a file), or ``@key`` of an indexed item.
    ``segments`` are those of a query that is decoded already.
    """

    query: str | Path | None = None
    """Optional where ``like`` has an example; beside examples it counts as one of the liked."""
    limit: int = 10
    filter: str = ""
    segments: Sequence[Segment] | None = None
    item_filters: Mapping[str, str] = field(default_factory=dict)
    """Patterns by the name of the item filter that checks found items for them."""
    like: tuple[str | Path, ...] = ()
    """Examples of what is searched for."""
    unlike: tuple[str | Path, ...] = ()
    """Examples of what is not."""
    min_similarity: float | None = None
    """Hits of a lower ``similarity`` are left out."""
    diversity: float = 0.0
    """How much hits shall differ from each other, 0 (not considered) to 1 (nothing else is)."""


class SearchResult(Sequence[Hit]):
    """The hits of one query, best first, and how long each step took, in milliseconds."""

    def __init__(self, hits: Sequence[Hit], timings_ms: dict[str, float]) -> None:
        self.hits = list(hits)
        self.timings_ms = timings_ms
        self.to_html: Callable[[SearchResult], str] | None = None
        """Set by a solution, which knows how its encoder shows an item."""

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

    def _repr_html_(self) -> str | None:
        """What a notebook shows; without a solution's ``to_html`` nothing, and it prints the hits."""
        return self.to_html(self) if self.to_html else None

    def to_dict(self, solution: str, *, whole: bool = False) -> dict[str, Any]:
        """The result as the JSON object that ``search --json`` prints; with ``whole`` contents, however long."""
        return {
            "solution": solution,
            "hits": [hit.to_dict(whole=whole) for hit in self.hits],
            "timings_ms": {name: round(value, 3) for name, value in self.timings_ms.items()},
        }


@dataclass(slots=True)
class IngestReport:
    """What a run did, in items; ``rows`` is the number of vectors that the collection holds after it.

    ``truncated`` counts those of the new and updated items that the encoder reads only in part. ``skipped`` counts what
    it leaves out on purpose (``ItemSkipped``), which is no failure, and ``skip_reasons`` by the reason. ``gate`` is
    what a reindex was compared by before it replaced what was searched; None where it was not.
    """

    solution: str
    seen: int = 0
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: int = 0
    skipped: int = 0
    skip_reasons: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    rows: int = 0
    seconds: float = 0.0
    items_per_second: float = 0.0
    warnings: list[str] = field(default_factory=list)
    gate: dict[str, Any] | None = None

    def took(self, seconds: float) -> None:
        """Note how long the run took, and its pace."""
        self.seconds = round(seconds, 3)
        self.items_per_second = round(self.seen / max(self.seconds, 1e-9), 1)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON object that ``ingest --json`` prints; ``gate`` is there where there was one."""
        return {name: value for name, value in asdict(self).items() if name != "gate" or value is not None}
