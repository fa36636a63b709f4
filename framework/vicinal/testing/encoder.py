"""The contract of encoders as a test class: inherit it, say how to make the encoder, and give good and bad contents."""

from __future__ import annotations

from vicinal.plugin.state import hash_state, pack_state, unpack_state
from vicinal.testing.bundled_models import bundle_models
from vicinal.testing.checks import assert_described, assert_frozen, assert_strict
from vicinal.testing.encoder_disturbances import DisturbanceContract
from vicinal.testing.encoder_queries import QueryContract
from vicinal.testing.encoder_vectors import VectorContract

__all__ = ["EncoderContract"]

FLOAT_METRICS = ("COSINE", "IP", "L2")


class EncoderContract(VectorContract, QueryContract, DisturbanceContract):
    """Every test that an encoder must pass. A subclass gives ``encoder_class``, ``good`` and ``bad``."""

    # Parameters

    def test_params_are_frozen(self) -> None:
        assert_frozen(type(self.encoder).Params)

    def test_params_refuse_unknown_keys(self) -> None:
        assert_strict(type(self.encoder).Params)

    def test_params_are_described(self) -> None:
        assert_described(type(self.encoder).Params)

    # Making one

    def test_making_one_imports_nothing_heavy(self) -> None:
        heavy = [name for name in self.description.heavy if name not in self.libraries]
        assert not heavy, f"import {', '.join(heavy)} where they work: in the first encode or decode"

    def test_space_is_consistent(self) -> None:
        space = self.encoder.space
        assert space.dimension > 0
        assert space == self.encoder.space
        if space.kind == "binary":
            assert space.dimension % 8 == 0, "bits are packed in bytes"
            assert space.metric == "JACCARD"
        else:
            assert space.metric in FLOAT_METRICS

    def test_signature_is_stable_across_processes(self) -> None:
        signature = self.encoder.signature
        assert isinstance(signature, str)
        assert signature.strip()
        assert self.description.value == (self.encoder.space, signature)

    def test_signature_tells_parameters_apart(self) -> None:
        variants = [self.params, *(variant for variant in self.variants if variant != self.params)]
        signatures = [self.make_encoder(variant).signature for variant in variants[1:]] + [self.encoder.signature]
        assert len(set(signatures)) == len(variants), f"{variants} have the signatures {signatures}"

    # Its models

    def test_it_loads_no_other_models_than_it_lists(self) -> None:
        """With those that it lists in a bundle, and no others, it has its signature and encodes."""
        with bundle_models(self.encoder.list_models()):
            bundled = self._make_fitted()
            assert (bundled.space, bundled.signature) == (self.encoder.space, self.encoder.signature)
            bundled.encode([segment.sample for segment in bundled.decode(self.items[0])[:1]])

    # Learning

    def test_what_is_learnt_is_kept_as_arrays(self) -> None:
        """Another process is given nothing but the state that ``fit`` returned."""
        if self.encoder.learns:
            kept, other = unpack_state(pack_state(self.encoder.state)), self.make_encoder()
            assert hash_state(kept) == self.encoder.state_hash
            other.restore(kept)
            self._assert_same(self._embed_items(), self._embed_items(other), "an encoder with the restored state")

    def test_fit_learns_the_same_from_the_same_items(self) -> None:
        if self.encoder.learns:
            first, second = self._make_fitted().state_hash, self._make_fitted().state_hash
            assert first == second, "fit twice gives two states; seed what is random"
