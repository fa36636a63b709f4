"""A cross encoder that is made in a moment: a BERT of two small layers with random weights, which reads letters."""

from __future__ import annotations

import string

import torch


def save_tiny_cross_encoder(folder, *, labels=1, seed=0, base_only=False):
    """Save one in a new folder, as transformers does; with ``base_only`` the network lacks its last layer."""
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast
    from transformers.utils import logging

    folder.mkdir(parents=True)
    letters = string.ascii_lowercase + string.digits
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(words))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.5,  # with the usual 0.02 all scores are nearly equal
        num_labels=labels,
    )
    torch.manual_seed(seed)
    logging.disable_progress_bar()
    (BertModel if base_only else BertForSequenceClassification)(config).save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder
