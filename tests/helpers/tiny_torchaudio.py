"""Tiny networks of torchaudio's real architectures, found by the encoder as the real ones are."""

from __future__ import annotations

from vicinal.toolkit.torch_runtime import locked_cached_property
from vicinal_audio import torchaudio_bundles
from vicinal_audio.torchaudio_bundles import Bundle
from vicinal_audio.torchaudio_encoder import TorchaudioEncoder

__all__ = ["TINY", "TinyTorchaudio", "make_tiny", "register_tiny_bundles"]

TINY = {
    "TINY_WAV2VEC2": ("Wav2Vec2", {"extractor_mode": "group_norm", "encoder_layer_norm_first": False}, False),
    "TINY_ASR": (
        "Wav2Vec2",
        {"extractor_mode": "layer_norm", "encoder_layer_norm_first": True, "aux_num_out": 29},
        True,
    ),
    "TINY_WAVLM": (
        "WavLM",
        {
            "extractor_mode": "group_norm",
            "encoder_layer_norm_first": False,
            "encoder_num_buckets": 32,
            "encoder_max_distance": 80,
        },
        False,
    ),
}
"""By name: the kind of network, what its parameters have of its own, and whether it normalizes its input."""

_PARAMS = {
    "extractor_conv_layer_config": [(16, 10, 5), (16, 8, 4), (16, 4, 4), (16, 4, 4)],
    "extractor_conv_bias": False,
    "encoder_embed_dim": 32,
    "encoder_projection_dropout": 0.1,
    "encoder_pos_conv_kernel": 16,
    "encoder_pos_conv_groups": 2,  # the real ones have 48 or 64 channels each; of 8, oneDNN errs in bfloat16 with AMX
    "encoder_num_layers": 3,
    "encoder_num_heads": 4,
    "encoder_attention_dropout": 0.1,
    "encoder_ff_interm_features": 64,
    "encoder_ff_interm_dropout": 0.1,
    "encoder_dropout": 0.1,
    "encoder_layer_drop": 0.1,
    "aux_num_out": None,
}

for _name in TINY:  # cheap: what the encoder knows of a bundle without torchaudio
    torchaudio_bundles.BUNDLES[_name] = Bundle(f"{_name.lower()}.pth", 32, 3)


def register_tiny_bundles():
    """Add the tiny networks to ``torchaudio.pipelines``, and return them by name."""
    import torchaudio

    for name, (kind, own, normalizes) in TINY.items():
        bundle = torchaudio.pipelines.Wav2Vec2Bundle(
            f"{name.lower()}.pth", {**_PARAMS, **own}, 16_000, normalizes, kind
        )
        setattr(torchaudio.pipelines, name, bundle)
    return {name: getattr(torchaudio.pipelines, name) for name in TINY}


class TinyTorchaudio(TorchaudioEncoder):
    """The encoder, which adds the tiny networks to torchaudio before it loads one."""

    @locked_cached_property
    def _network(self):
        register_tiny_bundles()
        return super()._network


def make_tiny(bundle="TINY_WAV2VEC2", **params):
    return TinyTorchaudio(TinyTorchaudio.Params(**{"bundle": bundle, "weights": "random", **params}))
