"""Encoders of texts and of files that say how their items are disturbed."""

from __future__ import annotations

import numpy as np

from encoders import Hashed, Letters, Words, _random_vector
from file_encoders import ByteHistogram
from vicinal import Disturbance, ItemError, hookimpl
from vicinal.errors import PluginError


def drop_word(content, generator):
    words = content.split()
    if len(words) < 2:
        return None
    dropped = int(generator.integers(len(words)))
    return " ".join(word for place, word in enumerate(words) if place != dropped)


def shout(content, _):
    return content.upper()


def stumble(content, _):
    if "refused" in content:
        raise ItemError("it is refused")
    if "defect" in content:
        raise ZeroDivisionError("a defect of the plugin")
    if "misconfigured" in content:
        raise PluginError("nothing can be disturbed")
    return content


SHORTENED = Disturbance("shortened", "texts without a word", drop_word, hint="write more")
SHOUTED = Disturbance("shouted", "shouted texts", shout, hint="speak low")
STUMBLED = Disturbance("stumbled", "texts that stumble", stumble)


class Bag(Hashed):
    """The sum of random directions, one for each word."""

    class Params(Hashed.Params):
        alike: float = 0.0
        """The length of what all texts have in common."""

    @property
    def signature(self):
        return f"bag/{self.params.alike}"

    @property
    def quality_note(self):
        return "all texts are alike" if self.params.alike else ""

    def list_disturbances(self):
        return [SHORTENED, SHOUTED, STUMBLED]

    def encode(self, samples):
        size = self.params.dimension
        rows = [sum(_random_vector(word, size) for word in sample.split()) for sample in samples]
        return np.array(rows, np.float32).reshape(-1, size) + np.float32(self.params.alike)


class Heard(Words):
    """A segment for each word, of which one may be missing."""

    def list_disturbances(self):
        return [SHORTENED]


class Spelt(Letters):
    """A fingerprint of pairs of letters, of a text of which a word may be missing."""

    def list_disturbances(self):
        return [SHORTENED]


def append_bytes(content, generator):
    return content.read_bytes() + generator.bytes(3)


class Noisy(ByteHistogram):
    """Files to which three bytes were appended."""

    signature = "noisy"

    def list_disturbances(self):
        return [Disturbance("noisy", "files with noise", append_bytes, ".bin", "keep them clean")]


@hookimpl
def register_encoders(encoders):
    for name in ("Bag", "Heard", "Spelt", "Noisy"):
        encoders.add(name.lower(), f"{__name__}:{name}", summary="for tests")
