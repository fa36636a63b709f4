"""Small encoders for the core's own tests: deterministic, fast, and failing where a test wants them to fail."""

from __future__ import annotations

import time
from collections import Counter
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from vicinal import Encoder, ItemError, Modality, Rendering, Segment, Space, hookimpl


def _random_vector(text, dimension):
    seed = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
    return np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)


class Hashed(Encoder["Hashed.Params"]):
    """A random direction for each text; two texts are similar only if they are equal."""

    samples_are_text = True

    class Params(Encoder.Params):
        dimension: int = 16
        """Length of the vectors."""
        salt: str = ""
        """Another salt is another encoder."""
        metric: str = "COSINE"
        """The default metric."""
        batch_size: int = 64
        """Samples in a batch."""
        pause: float = 0.0
        """Seconds that each call of encode sleeps."""

    @property
    def space(self):
        return Space(self.params.dimension, "float", self.params.metric)

    @property
    def signature(self):
        return f"hashed/{self.params.dimension}/{self.params.salt}"

    @property
    def encode_batch_size(self):
        return self.params.batch_size

    def decode(self, item):
        text = str(item.content)
        if "bad" in text:
            raise ItemError("the text says bad")
        if "crash" in text:
            raise RuntimeError("a decoder's own defect")
        return [Segment(text)]

    def encode(self, samples):
        time.sleep(self.params.pause)
        if any("spoil" in sample for sample in samples):
            raise ItemError("one sample spoils the batch")
        if not samples:
            return np.zeros((0, self.params.dimension), np.float32)
        vectors = np.stack([_random_vector(sample + self.params.salt, self.params.dimension) for sample in samples])
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Words(Hashed):
    """A segment of one second for each word of a text."""

    segmented = True

    @property
    def signature(self):
        return f"words/{self.params.dimension}"

    def decode(self, item):
        return [Segment(word, float(at), at + 1.0) for at, word in enumerate(str(item.content).split())]


class Lengths(Hashed):
    """The directions of ``hashed``, with lengths from 0.5 to 2."""

    @property
    def signature(self):
        return "lengths"

    def encode(self, samples):
        lengths = [0.5 + 1.5 * blake2b(sample.encode()).digest()[0] / 255 for sample in samples]
        return super().encode(samples) * np.array(lengths, np.float32)[:, None]


class Letters(Encoder):
    """A fingerprint of 256 bits: which pairs of letters a text has."""

    @property
    def space(self):
        return Space(256, "binary", "JACCARD")

    @property
    def signature(self):
        return "letters"

    def decode(self, item):
        text = str(item.content)
        if len(text) < 2:
            raise ItemError("fewer than two letters")
        return [Segment(text)]

    def encode(self, samples):
        bits = np.zeros((len(samples), 256), np.uint8)
        for row, sample in enumerate(samples):
            for a, b in pairwise(sample):
                bits[row, blake2b((a + b).encode(), digest_size=1).digest()[0]] = 1
        return np.packbits(bits, axis=1)


class Bits(Encoder["Bits.Params"]):
    """Fingerprints as they are: the content is their bits, packed, in hexadecimal."""

    class Params(Encoder.Params):
        bits: int = 2048
        """Length of the fingerprints."""

    @property
    def space(self):
        return Space(self.params.bits, "binary", "JACCARD")

    @property
    def signature(self):
        return f"bits/{self.params.bits}"

    def decode(self, item):
        return [Segment(np.frombuffer(bytes.fromhex(item.content), np.uint8))]

    def encode(self, samples):
        return np.stack(samples) if samples else np.zeros((0, self.params.bits // 8), np.uint8)


class Numbers(Encoder["Numbers.Params"]):
    """Vectors as they are: the content is their numbers."""

    class Params(Encoder.Params):
        dimension: int
        """Length of the vectors."""
        metric: str = "COSINE"
        """The default metric."""

    @property
    def space(self):
        return Space(self.params.dimension, "float", self.params.metric)

    @property
    def signature(self):
        return f"numbers/{self.params.dimension}"

    def decode(self, item):
        return [Segment(np.array(str(item.content).split(), np.float32))]

    def encode(self, samples):
        return np.stack(samples) if samples else np.zeros((0, self.params.dimension), np.float32)


class Tracks(Numbers):
    """Segments of one second with vectors as they are; in the content a slash separates them."""

    segmented = True

    def decode(self, item):
        segments = enumerate(str(item.content).split("/"))
        return [Segment(np.array(numbers.split(), np.float32), float(at), at + 1.0) for at, numbers in segments]


class Alphabet(Encoder):
    """How often each letter occurs in a text file."""

    space = Space(26)
    signature = "alphabet"
    query_modalities = (Modality("file", "file"),)

    def decode(self, item):
        return [Segment(item.content.read_text().lower())]

    def encode(self, samples):
        counts = [[sample.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for sample in samples]
        return np.array(counts, np.float32).reshape(-1, 26)


class Learner(Encoder):
    """Counts the words that the items hold, the rare ones most."""

    space = Space(64)
    signature = "learner/1"
    samples_are_text = True

    def fit(self, items):
        counts = Counter(word for item in items for word in set(str(item.content).split()))
        if not counts:
            raise ItemError("there are no words")
        words = sorted(counts)
        return {"words": np.array(words), "weights": np.array([1 / counts[word] for word in words], np.float32)}

    def decode(self, item):
        return [Segment(str(item.content))]

    def encode(self, samples):
        weights = dict(zip(self.state["words"].tolist(), self.state["weights"].tolist(), strict=True))
        vectors = np.full((len(samples), 64), 1e-6, np.float32)
        for vector, sample in zip(vectors, samples, strict=True):
            for word in sample.split():
                vector[blake2b(word.encode(), digest_size=1).digest()[0] % 64] += weights.get(word, 0.0)
        return vectors


class Labelled(Encoder):
    """A segment for each word of a text, which says the how many-th it is."""

    space = Space(16)
    signature = "labelled"
    segmented = True
    labelled = True
    samples_are_text = True

    def decode(self, item):
        words = str(item.content).split()
        return [Segment(word, label=f"word {number}", excerpt=word) for number, word in enumerate(words, 1)]

    def encode(self, samples):
        return (
            np.stack([_random_vector(sample, 16) for sample in samples]) if samples else np.zeros((0, 16), np.float32)
        )


class Members(Letters):
    """Texts that are asked for by a member, ``member:NAME``, or by a text; the members are names of one letter."""

    signature = "members"
    query_modalities = (Modality("member", label="member", placeholder="A member, as member:a", example="member:a"),)

    def suggest_queries(self, prefix, limit):
        return [name for name in (f"member:{letter}" for letter in "abcdef") if name.startswith(prefix)][:limit]

    def render(self, item):
        return Rendering("text", str(item.metadata.get("title") or item.content))


class Hostile(Letters):
    """Renders an item as an SVG that tries to run scripts, in each of the ways that SVG has."""

    signature = "hostile"
    query_modalities = (Modality("letters", placeholder="letters", example="abc", renders="svg"),)

    def render(self, item):
        script = "document.title = 'ran'; parent.document.title = 'ran'; fetch('/ran')"
        return Rendering(
            "svg",
            f"""<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40" onload="{script}">
            <script>{script}</script><image href="/ran" onerror="{script}"/><rect width="60" height="40" fill="red"/>
            <foreignObject width="60" height="40"><body xmlns="http://www.w3.org/1999/xhtml">
            <img src="/ran" onerror="{script}"/></body></foreignObject>
            <a href="javascript:{script}"><text y="20">{item.key}</text></a></svg>""",
        )


@hookimpl
def register_encoders(encoders):
    encoders.add("bits", "encoders:Bits", summary="for tests")
    encoders.add("members", "encoders:Members", summary="for tests")
    encoders.add("hostile", "encoders:Hostile", summary="for tests")
    encoders.add("hashed", "encoders:Hashed", summary="for tests")
    encoders.add("words", "encoders:Words", summary="for tests")
    encoders.add("lengths", "encoders:Lengths", summary="for tests")
    encoders.add("labelled", "encoders:Labelled", summary="for tests")
    encoders.add("alphabet", "encoders:Alphabet", summary="for tests")
    encoders.add("numbers", "encoders:Numbers", summary="for tests")
    encoders.add("tracks", "encoders:Tracks", summary="for tests")
    encoders.add("learner", "encoders:Learner", summary="for tests")
    encoders.add("letters", "encoders:Letters", summary="for tests")
