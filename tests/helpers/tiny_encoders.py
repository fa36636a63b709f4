"""Encoders of texts that keep every promise of the contract."""

import numpy as np

from vicinal import TEXT, Disturbance, Encoder, ItemError, Params, Segment, Space


def features(text: str, dimension: int) -> np.ndarray:
    """Counts of a text's characters, by their number."""
    return np.bincount([ord(character) % dimension for character in text], minlength=dimension).astype(np.float32)


class Tiny(Encoder["Tiny.Params"]):
    """Counts characters: float vectors."""

    class Params(Params):
        dimension: int = 16
        """How many counters there are."""

    encode_batch_size = 64

    @property
    def space(self):
        return Space(self.params.dimension)

    @property
    def signature(self):
        return f"tiny/{self.params.dimension}"

    def decode(self, item):
        if not isinstance(item.content, str) or not item.content:
            raise ItemError("not a text")
        return [Segment(item.content)]

    def encode(self, samples):
        rows = [features(sample, self.params.dimension) for sample in samples]
        return np.array(rows, np.float32).reshape(-1, self.params.dimension)


def drop_character(content, generator):
    """Drop one at random; a text of one character stays as it is."""
    place = int(generator.integers(len(content)))
    return content[:place] + content[place + 1 :] or None


class TinyTypos(Tiny):
    """Says how its texts are mistyped."""

    def list_disturbances(self):
        return [Disturbance("mistyped", "mistyped texts", drop_character, hint="type well", expected=0.5)]


class TinyBits(Tiny):
    """Tells which characters are there: binary vectors."""

    @property
    def space(self):
        return Space(self.params.dimension, "binary", "JACCARD")

    def encode(self, samples):
        return np.packbits(super().encode(samples) > 0, axis=1)


class TinyWords(Tiny):
    """A segment for each word, with the times at which it would be read."""

    segmented = True
    samples_are_text = True

    def decode(self, item):
        words = super().decode(item)[0].sample.split()
        return [Segment(word, float(number), number + 1.0) for number, word in enumerate(words)]


class TinyLabels(Tiny):
    """A segment for each word, with its number as a label."""

    segmented = True
    labelled = True

    def decode(self, item):
        words = super().decode(item)[0].sample.split()
        return [Segment(word, label=f"word {number}", excerpt=word) for number, word in enumerate(words, 1)]


class TinyVocabulary(Tiny):
    """Counts the words that it learnt, and refuses a text that has none of them."""

    query_modalities = (TEXT,)

    def fit(self, items):
        return {"words": np.array(sorted({word for item in items for word in item.content.split()}))}

    def decode(self, item):
        (segment,) = super().decode(item)
        words = [word for word in segment.sample.split() if word in self.state["words"]]
        if not words:
            raise ItemError("none of its words was learnt")
        return [Segment(" ".join(words))]


class TinyLearner(Tiny):
    """Counts characters, those less that many items have."""

    def fit(self, items):
        rows = [features(item.content, self.params.dimension) > 0 for item in items if item.content]
        return {"weights": (1.0 / (1.0 + np.sum(rows, axis=0))).astype(np.float32)}

    def encode(self, samples):
        return super().encode(samples) * self.state["weights"]


class TinyNames(Tiny):
    """Is asked for one of a few names that nobody can guess."""

    names = ("user:1", "user:17", "user:2", "visitor")

    def suggest_queries(self, prefix, limit):
        return [name for name in self.names if name.startswith(prefix)][:limit]
