"""A tiny CLAP of the real architecture, and the encoder ``clap`` that uses it."""

from __future__ import annotations

from vicinal_audio.clap import Clap

WORDS = "a bird sings bell rings drum noise engine runs siren in the distance of sound"
RATE = 16_000


def save_tiny_clap(folder, fused=False):
    """Save a CLAP with random weights, its tokenizer and its feature extractor to a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor, PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS.split()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    torch.manual_seed(7)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**small, "vocab_size": len(vocabulary), "max_position_embeddings": 40, "pad_token_id": 1}
    audio = {
        "hidden_size": 64,
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1, 1],
        "num_attention_heads": [2, 2, 2],
        "num_hidden_layers": 3,
        "spec_size": 64,
        "window_size": 4,
        "num_mel_bins": 16,
        "enable_fusion": fused,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    ClapModel(config).save_pretrained(folder)
    extractor_config = {"feature_size": 16, "sampling_rate": RATE, "hop_length": 1600, "frequency_max": 7_000}
    extractor = ClapFeatureExtractor(**extractor_config, truncation="fusion" if fused else "rand_trunc")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    ClapProcessor(extractor, fast).save_pretrained(folder)
    if not (folder / "preprocessor_config.json").exists():  # some versions of transformers write one, some the other
        assert (folder / "processor_config.json").exists()
    return folder


def make_clap(folder, **params):
    return Clap(Clap.Params(model=str(folder), **params))


def encode_queries(encoder, *queries):
    return encoder.encode([segment.sample for query in queries for segment in encoder.decode_query(query)])
