"""Text plugin: sentence embeddings, and rerankers by the words that query and hit share and by a cross encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vicinal import hookimpl

if TYPE_CHECKING:
    from vicinal import Encoder, Reranker
    from vicinal.plugin.registry import Registrar


@hookimpl
def register_encoders(encoders: Registrar[Encoder]) -> None:
    encoders.add(
        "sentence",
        "vicinal_text.sentence:SentenceEncoder",
        summary="sentence embeddings of texts (MiniLM from a package, offline; any sentence-transformers model)",
        requires=["safetensors", "tokenizers", "torch"],
        install="vicinal[text]",
    )


@hookimpl
def register_rerankers(rerankers: Registrar[Reranker]) -> None:
    rerankers.add(
        "keywords",
        "vicinal_text.keywords:KeywordReranker",
        summary="fuses vector order with BM25 over the candidates' texts, on any engine",
    )
    rerankers.add(
        "cross_encoder",
        "vicinal_text.cross_encoder:CrossEncoderReranker",
        summary="orders candidates by a network that reads query and text together (any cross encoder)",
        requires=["sentence_transformers", "torch"],
        install="vicinal[text]",
    )
