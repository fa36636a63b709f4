"""The pretrained networks of ``torchaudio.pipelines`` by name: their files, the dimension and number of their layers.

torchaudio is not imported: a configuration is validated, and the dimension known, without it. A test compares this
table with torchaudio.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

__all__ = ["BUNDLES", "SAMPLE_RATE", "Bundle"]

SAMPLE_RATE = 16_000
"""Of all of them."""

_SITE = "https://download.pytorch.org/torchaudio/models/"


class Bundle(NamedTuple):
    """What is known of a network without loading it."""

    file: str
    """The file with its weights, or its URL, as torchaudio has it."""
    dimension: int
    layers: int

    @property
    def url(self) -> str:
        """Where the weights are published."""
        return self.file if self.file.startswith("https:") else _SITE + self.file


_BASE = partial(Bundle, dimension=768, layers=12)
_LARGE = partial(Bundle, dimension=1024, layers=24)
_XLARGE = partial(Bundle, dimension=1280, layers=48)
_XXLARGE = partial(Bundle, dimension=1920, layers=48)

BUNDLES: Mapping[str, Bundle] = {
    "HUBERT_ASR_LARGE": _LARGE("hubert_fairseq_large_ll60k_asr_ls960.pth"),
    "HUBERT_ASR_XLARGE": _XLARGE("hubert_fairseq_xlarge_ll60k_asr_ls960.pth"),
    "HUBERT_BASE": _BASE("hubert_fairseq_base_ls960.pth"),
    "HUBERT_LARGE": _LARGE("hubert_fairseq_large_ll60k.pth"),
    "HUBERT_XLARGE": _XLARGE("hubert_fairseq_xlarge_ll60k.pth"),
    "MMS_FA": _LARGE("https://dl.fbaipublicfiles.com/mms/torchaudio/ctc_alignment_mling_uroman/model.pt"),
    "VOXPOPULI_ASR_BASE_10K_DE": _BASE("wav2vec2_voxpopuli_base_10k_asr_de.pt"),
    "VOXPOPULI_ASR_BASE_10K_EN": _BASE("wav2vec2_voxpopuli_base_10k_asr_en.pt"),
    "VOXPOPULI_ASR_BASE_10K_ES": _BASE("wav2vec2_voxpopuli_base_10k_asr_es.pt"),
    "VOXPOPULI_ASR_BASE_10K_FR": _BASE("wav2vec2_voxpopuli_base_10k_asr_fr.pt"),
    "VOXPOPULI_ASR_BASE_10K_IT": _BASE("wav2vec2_voxpopuli_base_10k_asr_it.pt"),
    "WAV2VEC2_ASR_BASE_100H": _BASE("wav2vec2_fairseq_base_ls960_asr_ls100.pth"),
    "WAV2VEC2_ASR_BASE_10M": _BASE("wav2vec2_fairseq_base_ls960_asr_ll10m.pth"),
    "WAV2VEC2_ASR_BASE_960H": _BASE("wav2vec2_fairseq_base_ls960_asr_ls960.pth"),
    "WAV2VEC2_ASR_LARGE_100H": _LARGE("wav2vec2_fairseq_large_ls960_asr_ls100.pth"),
    "WAV2VEC2_ASR_LARGE_10M": _LARGE("wav2vec2_fairseq_large_ls960_asr_ll10m.pth"),
    "WAV2VEC2_ASR_LARGE_960H": _LARGE("wav2vec2_fairseq_large_ls960_asr_ls960.pth"),
    "WAV2VEC2_ASR_LARGE_LV60K_100H": _LARGE("wav2vec2_fairseq_large_lv60k_asr_ls100.pth"),
    "WAV2VEC2_ASR_LARGE_LV60K_10M": _LARGE("wav2vec2_fairseq_large_lv60k_asr_ll10m.pth"),
    "WAV2VEC2_ASR_LARGE_LV60K_960H": _LARGE("wav2vec2_fairseq_large_lv60k_asr_ls960.pth"),
    "WAV2VEC2_BASE": _BASE("wav2vec2_fairseq_base_ls960.pth"),
    "WAV2VEC2_LARGE": _LARGE("wav2vec2_fairseq_large_ls960.pth"),
    "WAV2VEC2_LARGE_LV60K": _LARGE("wav2vec2_fairseq_large_lv60k.pth"),
    "WAV2VEC2_XLSR53": _LARGE("wav2vec2_fairseq_large_xlsr53.pth"),
    "WAV2VEC2_XLSR_1B": _XLARGE("wav2vec2_xlsr_1b.pth"),
    "WAV2VEC2_XLSR_2B": _XXLARGE("wav2vec2_xlsr_2b.pth"),
    "WAV2VEC2_XLSR_300M": _LARGE("wav2vec2_xlsr_300m.pth"),
    "WAVLM_BASE": _BASE("wavlm_base.pth"),
    "WAVLM_BASE_PLUS": _BASE("wavlm_base_plus.pth"),
    "WAVLM_LARGE": _LARGE("wavlm_large.pth"),
}
"""wav2vec 2, XLS-R, HuBERT and WavLM, self-supervised or fine-tuned for speech recognition (ASR)."""
