"""What encoders gain from a GPU: the same samples on it and on this machine's processor.

    .venv/bin/python benchmarks/gpu.py

Each network computes generated samples on the processor in float32, then on the GPU in float32 and with
``precision: auto``, in small batches and in those that a GPU likes. Shown are samples a second, medians of three, and
the least cosine to the processor's vectors; the targets are 0.9999 in float32 and 0.9995 with ``auto``. Weights are
random, so that nothing is downloaded.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import common
from vicinal import Encoder, create_manager
from vicinal.toolkit.vectors import min_cosine

ROUNDS = 3
TARGETS = {"fp32": 0.9999, "auto": 0.9995}
MANAGER = create_manager()


@dataclass(frozen=True, slots=True)
class Case:
    """An encoder, its samples, and the sizes of batches that it is tried with."""

    name: str
    type: str
    params: dict[str, Any]
    samples: Sequence[Any]
    batches: Sequence[int]

    def build(self, **params: Any) -> Encoder:
        """The encoder on a device, in a precision."""
        kind = MANAGER.encoders.load(self.type)
        return kind(kind.Params.model_validate({**self.params, **params}))


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--samples", type=int, default=2_048, metavar="N", help="pictures and texts (2048)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("torch finds no GPU")
    results = common.Results(options.json)
    with TemporaryDirectory() as folder:
        rows = [row for case in make_cases(options.samples, Path(folder)) for row in measure(case)]
    results.add("gpu", f"Samples a second on {torch.cuda.get_device_name()}", rows)
    results.print()


def make_cases(count: int, folder: Path) -> list[Case]:
    """Every kind of network that the built-in encoders compute with torch."""
    random = np.random.default_rng(common.SEED)
    crops = list(random.integers(0, 256, (count, 224, 224, 3), dtype=np.uint8))
    texts = common.generate_texts(count)
    waves = list(random.standard_normal((256, 1, 160_000)).astype(np.float32))
    mels = list(random.uniform(-100, 0, (256, 1, 1_001, 64)).astype(np.float32))
    bert, clip, clap = (
        str(save(folder / save.__name__)) for save in (save_random_bert, save_random_clip, save_random_clap)
    )
    plain = {"weights": "random"}
    return [
        Case("ResNet-18", "resnet18", plain, crops, (16, 64, 256)),
        Case("ConvNeXt-Tiny of torchvision", "torchvision", {"model": "convnext_tiny", **plain}, crops, (16, 64, 256)),
        Case("ViT-S of timm", "timm", {"model": "vit_small_patch16_224", **plain}, crops, (16, 64, 256)),
        Case("CLIP ViT-B/32", "clip", {"model": clip}, crops, (16, 64, 256)),
        Case("a BERT of MiniLM's size", "sentence", {"model": bert}, texts, (32, 128, 512)),
        Case("wav2vec 2.0, 10 s", "torchaudio", {"bundle": "WAV2VEC2_BASE", **plain}, waves, (2, 8, 32)),
        Case("CLAP, 10 s", "clap", {"model": clap}, mels, (2, 8, 32)),
    ]


def save_random_bert(folder: Path) -> Path:
    """Save a model of sentence-transformers' form: MiniLM's size, a tokenizer of the words of the generated texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(set(" ".join(common.generate_texts(500)).split()))]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder.mkdir()
    torch.manual_seed(common.SEED)
    size = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    BertModel(BertConfig(vocab_size=len(words), **size)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 256}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def save_random_clip(folder: Path) -> Path:
    """Save a CLIP of transformers' default size, that of ViT-B/32; pictures need no tokenizer."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(common.SEED)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    return folder


def save_random_clap(folder: Path) -> Path:
    """Save a CLAP of transformers' default size, that of laion's HTSAT; sounds need no tokenizer."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    torch.manual_seed(common.SEED)
    ClapModel(ClapConfig()).save_pretrained(folder)
    ClapFeatureExtractor(truncation="rand_trunc").save_pretrained(folder)
    return folder


def measure(case: Case) -> Iterator[dict[str, Any]]:
    """A row for each precision and size of batches on the GPU."""
    few = case.samples[:64]
    processor = case.build(device="cpu", precision="fp32")
    truth = processor.encode(few)
    on_processor = len(few) / common.time_encoding(processor, few)
    for precision, target in TARGETS.items():
        for batch in case.batches:
            encoder = case.build(device="cuda", precision=precision, batch_size=batch)
            cosine = min_cosine(encoder.encode(few), truth)  # loads the network, too
            seconds = statistics.median(common.time_encoding(encoder, case.samples) for _ in range(ROUNDS))
            yield {
                "encoder": case.name,
                "precision": precision,
                "batch": batch,
                "samples/s": len(case.samples) / seconds,
                "processor": on_processor,
                "least cosine": f"{cosine:.6f}",
                "met": "yes" if cosine >= target else "no",
            }
            print(f"  {case.name}, {precision}, batches of {batch}: {cosine:.6f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
