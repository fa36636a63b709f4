"""One wrong encoder for each test of the contract, and which test it is that it fails."""

import sys
import time
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from tiny_encoders import Tiny, TinyLearner, TinyNames, TinyTypos
from vicinal import IMAGE, TEXT, Item, ItemError, Modality, Rendering, Segment, Space
from vicinal.toolkit.models import PackagedModel


class ParamsThatChange(Tiny):
    class Params(Tiny.Params, frozen=False):
        pass


class ParamsThatTakeAll(Tiny):
    class Params(Tiny.Params, extra="ignore"):
        pass


class ParamsWithoutWords(Tiny):
    class Params(Tiny.Params):
        depth: int = 1


class Heavy(Tiny):
    @property
    def signature(self):
        import onnxruntime  # noqa: F401 - an empty module that the test lays down

        return super().signature


class FloatsByTanimoto(Tiny):
    @property
    def space(self):
        return Space(self.params.dimension, "float", "JACCARD")


class HashedSignature(Tiny):
    @property
    def signature(self):
        return f"{hash('tiny')}/{self.params.dimension}"


class SignatureWithoutParams(Tiny):
    signature = "tiny"


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


class SharedRows(Tiny):
    encode_is_thread_safe = True

    def encode(self, samples):
        self.rows = super().encode(samples)
        time.sleep(0.001)
        return self.rows


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


class Doubles(Tiny):
    def encode(self, samples):
        return super().encode(samples).astype(np.float64)


class ByColumns(Tiny):
    def encode(self, samples):
        return np.asfortranarray(super().encode(samples))


class NotANumber(Tiny):
    def encode(self, samples):
        vectors = super().encode(samples)
        vectors[[sample == "cherry" for sample in samples]] = np.nan
        return vectors


class Nought(Tiny):
    def encode(self, samples):
        vectors = super().encode(samples)
        vectors[[sample == "cherry" for sample in samples]] = 0.0
        return vectors


class Constant(Tiny):
    def encode(self, samples):
        return np.ones((len(samples), self.params.dimension), np.float32)


class PaddingLeaks(Tiny):
    def encode(self, samples):
        return super().encode(samples) + 0.1 * np.float32(max(map(len, samples), default=0))


class SortsAndForgets(Tiny):
    """It sorts a batch and puts it back in its old order only where there are several windows (or so it seems)."""

    def encode(self, samples):
        return super().encode(sorted(samples) if len(samples) <= self.encode_batch_size else samples)


class FirstOneWins(Tiny):
    """What the first encoder of a process learns spoils the others."""

    first = None

    def encode(self, samples):
        if type(self).first is None or type(self).first() is None:
            type(self).first = weakref.ref(self)
        shift = 0.0 if type(self).first() is self else 0.5
        return super().encode(samples) + np.float32(shift)


class HashedVectors(Tiny):
    def encode(self, samples):
        shift = np.random.default_rng(abs(hash("tiny"))).random(self.params.dimension, np.float32)
        return super().encode(samples) + shift


class NoEmptyBatch(Tiny):
    def encode(self, samples):
        return np.stack([super(NoEmptyBatch, self).encode([sample])[0] for sample in samples])


class FixedBuffer(Tiny):
    def encode(self, samples):
        return super().encode(samples)[: self.encode_batch_size]


class OtherQuery(Tiny):
    def decode_query(self, query):
        return [Segment(f"query: {segment.sample}") for segment in super().decode_query(query)]


class AnyQuery(Tiny):
    def decode_query(self, query):
        return [Segment(query or "nothing")]


class BareText(Tiny):
    def render(self, item):
        return str(item.content) if item.content else super().render(item)


class QueriesInAList(Tiny):
    query_modalities = [TEXT]  # noqa: RUF012


class QueriesTwice(Tiny):
    query_modalities = (TEXT, TEXT)


class WithoutPlaceholder(Tiny):
    query_modalities = (Modality("letters", example="abc"),)


class WithoutExample(Tiny):
    query_modalities = (Modality("letters", placeholder="letters"),)


class ExampleThatIsRefused(Tiny):
    query_modalities = (Modality("letters", placeholder="letters", example="???"),)

    def decode_query(self, query):
        if "???" in query:
            raise ItemError("no letters")
        return super().decode_query(query)


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


class PicturesAsTexts(Tiny):
    query_modalities = (IMAGE,)


class DrawsWhatIsBad(Tiny):
    def render(self, item):
        return Rendering("text" if item.content else "svg", str(item.content))


class ReusesItsBuffer(Tiny):
    def encode(self, samples):
        vectors = super().encode(samples)
        if "buffer" not in vars(self) or len(self.buffer) < len(vectors):
            self.buffer = np.empty((256, vectors.shape[1]), np.float32)
        self.buffer[: len(vectors)] = vectors
        return self.buffer[: len(vectors)]


class LabelsUnsaid(Tiny):
    def decode(self, item):
        return [replace(segment, label="all of it") for segment in super().decode(item)]


class LabelledWithoutLabels(Tiny):
    segmented = True
    labelled = True


class LearnsObjects(TinyLearner):
    def fit(self, items):
        return {**super().fit(items), "names": np.array(["a", 1], object)}


class KeepsToItself(TinyLearner):
    def fit(self, items):
        self.weights = super().fit(items)["weights"]
        return {"nothing": np.zeros(1)}

    def encode(self, samples):
        return Tiny.encode(self, samples) * self.weights


class LearnsByChance(TinyLearner):
    def fit(self, items):
        return {**super().fit(items), "chance": np.random.default_rng().random(3)}


class FailsElsewhere(Tiny):
    """It works in the process whose module was imported by pytest."""

    def encode(self, samples):
        if "pytest_timeout" not in sys.modules:
            raise ValueError("only at home")
        return super().encode(samples)


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


class LoadsUnlisted(Tiny):
    """It loads a model that a bundle would lack."""

    def decode(self, item):
        assert PackagedModel("vicinal", "py.typed").resolve().is_file()
        return super().decode(item)


WRONG = {
    "test_disturbances_are_described": [NamelessTypos, TyposNeverFound],
    "test_a_disturbed_item_is_a_query": [AllIsDropped, NothingIsDropped],
    "test_disturbances_are_seeded": [TyposByChance],
    "test_params_are_frozen": [ParamsThatChange],
    "test_params_refuse_unknown_keys": [ParamsThatTakeAll],
    "test_params_are_described": [ParamsWithoutWords],
    "test_making_one_imports_nothing_heavy": [Heavy],
    "test_space_is_consistent": [FloatsByTanimoto],
    "test_signature_is_stable_across_processes": [HashedSignature],
    "test_signature_tells_parameters_apart": [SignatureWithoutParams],
    "test_decode_gives_segments": [NoSegment],
    "test_an_item_has_one_segment_unless_segmented": [TwoSegments],
    "test_several_segments_have_times_or_labels": [WithoutTimes],
    "test_samples_are_strings_where_samples_are_text": [TextsInTuples],
    "test_decode_is_thread_safe": [SharedBuffer],
    "test_decode_many_equals_decode": [Shuffled],
    "test_bad_input_raises_item_error": [ForeignError, WordlessError, AcceptsNumbers],
    "test_shape_and_dtype": [Doubles, ByColumns],
    "test_values_are_finite": [NotANumber],
    "test_vectors_have_a_direction": [Nought],
    "test_different_items_have_different_vectors": [Constant],
    "test_a_batch_equals_single_samples": [PaddingLeaks],
    "test_the_order_of_a_batch_does_not_matter": [SortsAndForgets],
    "test_encode_is_deterministic": [FirstOneWins],
    "test_vectors_are_stable_across_processes": [HashedVectors],
    "test_encode_is_thread_safe_where_it_says_so": [SharedRows],
    "test_an_empty_batch_gives_no_rows": [NoEmptyBatch],
    "test_a_batch_larger_than_encode_batch_size": [FixedBuffer],
    "test_a_query_equals_its_item": [OtherQuery],
    "test_a_bad_query_raises_item_error": [AnyQuery],
    "test_query_modalities_are_declared": [QueriesInAList, QueriesTwice],
    "test_a_typed_modality_has_an_example_that_is_read": [WithoutPlaceholder, WithoutExample, ExampleThatIsRefused],
    "test_any_text_is_a_query_where_text_is_a_modality": [ShortTextsOnly, NoSegmentForTexts, OpensTexts],
    "test_suggested_queries_are_read": [
        SuggestsOneText,
        SuggestsWithoutEnd,
        SuggestsTheSame,
        SuggestsWhatItRefuses,
    ],
    "test_an_item_s_vector_makes_a_query": [QueriesInRows, QueriesByNought],
    "test_examples_combine_to_a_vector": [NoVectorForExamples, MeanOfNothing],
    "test_excluded_keys_are_texts": [OneKeyExcluded, NumbersExcluded],
    "test_items_are_rendered_as_their_modality_says": [PicturesAsTexts],
    "test_what_cannot_be_drawn_is_rendered_as_text": [DrawsWhatIsBad],
    "test_encode_returns_vectors_of_its_own": [ReusesItsBuffer],
    "test_segments_are_labelled_where_it_says_so": [LabelsUnsaid, LabelledWithoutLabels],
    "test_it_loads_no_other_models_than_it_lists": [LoadsUnlisted],
    "test_what_is_learnt_is_kept_as_arrays": [LearnsObjects, KeepsToItself],
    "test_fit_learns_the_same_from_the_same_items": [LearnsByChance],
    "test_render_shows_an_item": [BareText],
}
"""The tests of the contract, each with the encoders on which that test fails and no other."""


ACROSS = {
    "test_making_one_imports_nothing_heavy",
    "test_signature_is_stable_across_processes",
    "test_vectors_are_stable_across_processes",
}
"""The tests that start a process, which takes a second: run on the encoders that they are about."""
