"""Encoders that decode or render wrongly; each with the test of the contract that it fails."""

import time
from dataclasses import replace
from types import SimpleNamespace

from tiny_encoders import Tiny
from vicinal import IMAGE, Item, ItemError, Rendering, Segment


class NoSegment(Tiny):
    def decode(self, item):
        return [
            SimpleNamespace(sample=segment.sample, start=None, end=None, label="") for segment in super().decode(item)
        ]


class Shuffled(Tiny):
    def decode_many(self, items):
        return super().decode_many(items)[::-1]


class TwoSegments(Tiny):
    def decode(self, item):
        return [*super().decode(item), *super().decode(item)]


class WithoutTimes(Tiny):
    segmented = True

    def decode(self, item):
        return [*super().decode(item), *super().decode(item)]


class TextsInTuples(Tiny):
    samples_are_text = True

    def decode(self, item):
        return [Segment((segment.sample,)) for segment in super().decode(item)]

    def encode(self, samples):
        return super().encode([sample for (sample,) in samples])


class SharedBuffer(Tiny):
    def decode(self, item):
        self.segments = super().decode(item)
        time.sleep(0.001)
        return self.segments


class ForeignError(Tiny):
    def decode(self, item):
        return [Segment(item.content[:1] + item.content[1:])] if item.content else super().decode(item)


class WordlessError(Tiny):
    def decode(self, item):
        try:
            return super().decode(item)
        except ItemError:
            raise ItemError("") from None

    def decode_query(self, query):
        return Tiny.decode(self, Item("query", query))


class AcceptsNumbers(Tiny):
    def decode(self, item):
        return super().decode(Item("n", "seven") if item.content == 7 else item)


class BareText(Tiny):
    def render(self, item):
        return str(item.content) if item.content else super().render(item)


class PicturesAsTexts(Tiny):
    query_modalities = (IMAGE,)


class DrawsWhatIsBad(Tiny):
    def render(self, item):
        return Rendering("text" if item.content else "svg", str(item.content))


class LabelsUnsaid(Tiny):
    def decode(self, item):
        return [replace(segment, label="all of it") for segment in super().decode(item)]


class LabelledWithoutLabels(Tiny):
    segmented = True
    labelled = True


WRONG = {
    "test_decode_gives_segments": [NoSegment],
    "test_an_item_has_one_segment_unless_segmented": [TwoSegments],
    "test_several_segments_have_times_or_labels": [WithoutTimes],
    "test_segments_are_labelled_where_it_says_so": [LabelsUnsaid, LabelledWithoutLabels],
    "test_samples_are_strings_where_samples_are_text": [TextsInTuples],
    "test_decode_is_thread_safe": [SharedBuffer],
    "test_decode_many_equals_decode": [Shuffled],
    "test_bad_input_raises_item_error": [ForeignError, WordlessError, AcceptsNumbers],
    "test_items_are_rendered_as_their_modality_says": [PicturesAsTexts],
    "test_what_cannot_be_drawn_is_rendered_as_text": [DrawsWhatIsBad],
    "test_render_shows_an_item": [BareText],
}
