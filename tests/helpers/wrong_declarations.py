"""Encoders that declare wrongly: parameters, space, signature, modalities, models; each with the test that it fails."""

from tiny_encoders import Tiny
from vicinal import TEXT, ItemError, Modality, Space
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


class LoadsUnlisted(Tiny):
    """It loads a model that a bundle would lack."""

    def decode(self, item):
        assert PackagedModel("vicinal", "py.typed").resolve().is_file()
        return super().decode(item)


WRONG = {
    "test_params_are_frozen": [ParamsThatChange],
    "test_params_refuse_unknown_keys": [ParamsThatTakeAll],
    "test_params_are_described": [ParamsWithoutWords],
    "test_making_one_imports_nothing_heavy": [Heavy],
    "test_space_is_consistent": [FloatsByTanimoto],
    "test_signature_is_stable_across_processes": [HashedSignature],
    "test_signature_tells_parameters_apart": [SignatureWithoutParams],
    "test_query_modalities_are_declared": [QueriesInAList, QueriesTwice],
    "test_a_typed_modality_has_an_example_that_is_read": [WithoutPlaceholder, WithoutExample, ExampleThatIsRefused],
    "test_it_loads_no_other_models_than_it_lists": [LoadsUnlisted],
}
