"""Encoders that are wrong about queries, examples or disturbances; each with the test that it fails."""

from dataclasses import replace

import numpy as np

from tiny_encoders import Tiny, TinyNames, TinyTypos
from vicinal import IMAGE, TEXT, ItemError, Rendering, Segment


class OtherQuery(Tiny):
    def decode_query(self, query):
        return [Segment(f"query: {segment.sample}") for segment in super().decode_query(query)]


class AnyQuery(Tiny):
    def decode_query(self, query):
        return [Segment(query or "nothing")]


class ShortTextsOnly(Tiny):
    query_modalities = (TEXT,)

    def decode_query(self, query):
        if len(query) > 20:
            raise ItemError("too long")
        return super().decode_query(query)


class NoSegmentForTexts(Tiny):
    query_modalities = (TEXT,)

    def decode_query(self, query):
        return super().decode_query(query) if len(query) < 20 else []


class OpensTexts(Tiny):
    query_modalities = (IMAGE, TEXT)

    def decode_query(self, query):
        return super().decode_query(str(query).removeprefix("text:"))

    def render(self, item):
        return Rendering("image", str(item.content))


class SuggestsOneText(TinyNames):
    def suggest_queries(self, prefix, limit):
        return "".join(super().suggest_queries(prefix, limit)[:1])


class SuggestsWithoutEnd(TinyNames):
    def suggest_queries(self, prefix, limit):
        return super().suggest_queries(prefix, 100)


class SuggestsTheSame(TinyNames):
    def suggest_queries(self, prefix, limit):
        return super().suggest_queries("", limit)


class SuggestsWhatItRefuses(TinyNames):
    names = ("", "user:1")


class QueriesInRows(Tiny):
    def to_query_vector(self, stored):
        return stored[None]


class QueriesByNought(Tiny):
    def to_query_vector(self, stored):
        with np.errstate(divide="ignore"):
            return stored / np.float32(0)


class NoVectorForExamples(Tiny):
    def combine_examples(self, liked, unliked):
        return liked


class MeanOfNothing(Tiny):
    def combine_examples(self, liked, unliked):
        with np.errstate(invalid="ignore"):
            return liked.mean(axis=0) - unliked.sum(axis=0) / np.float32(len(unliked))


class NamelessTypos(TinyTypos):
    def list_disturbances(self):
        return [replace(disturbance, label=" ") for disturbance in super().list_disturbances()]


class TyposNeverFound(TinyTypos):
    def list_disturbances(self):
        return [replace(disturbance, expected=0.0) for disturbance in super().list_disturbances()]


class AllIsDropped(TinyTypos):
    def list_disturbances(self):
        return [
            replace(disturbance, apply=lambda content, _: content[:0]) for disturbance in super().list_disturbances()
        ]


class NothingIsDropped(TinyTypos):
    def list_disturbances(self):
        return [replace(disturbance, apply=lambda *_: None) for disturbance in super().list_disturbances()]


class TyposByChance(TinyTypos):
    def list_disturbances(self):
        return [
            replace(disturbance, apply=lambda content, _: f"{content} {np.random.default_rng().random()}")
            for disturbance in super().list_disturbances()
        ]


class OneKeyExcluded(Tiny):
    def list_excluded_keys(self, query):
        return "k1"


class NumbersExcluded(Tiny):
    def list_excluded_keys(self, query):
        return [1, 2]


WRONG = {
    "test_a_query_equals_its_item": [OtherQuery],
    "test_a_bad_query_raises_item_error": [AnyQuery],
    "test_any_text_is_a_query_where_text_is_a_modality": [ShortTextsOnly, NoSegmentForTexts, OpensTexts],
    "test_suggested_queries_are_read": [SuggestsOneText, SuggestsWithoutEnd, SuggestsTheSame, SuggestsWhatItRefuses],
    "test_an_item_s_vector_makes_a_query": [QueriesInRows, QueriesByNought],
    "test_examples_combine_to_a_vector": [NoVectorForExamples, MeanOfNothing],
    "test_excluded_keys_are_texts": [OneKeyExcluded, NumbersExcluded],
    "test_disturbances_are_described": [NamelessTypos, TyposNeverFound],
    "test_a_disturbed_item_is_a_query": [AllIsDropped, NothingIsDropped],
    "test_disturbances_are_seeded": [TyposByChance],
}
