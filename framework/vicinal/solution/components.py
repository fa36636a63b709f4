"""What a solution consists of, as its config says: encoder, source, reranker and both stores."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Self

from vicinal.config import SolutionConfig, load_config
from vicinal.errors import ConfigError
from vicinal.plugin.encoder import Encoder
from vicinal.plugin.encoder_calls import require_modalities, require_space
from vicinal.plugin.manager import Manager, create_manager
from vicinal.plugin.reranker import Reranker
from vicinal.plugin.source import Source
from vicinal.solution.learning import restore_state
from vicinal.stores.milvus import Schema, VectorStore
from vicinal.stores.milvus_replicas import LoadConfig
from vicinal.stores.redis import MetadataStore
from vicinal.types import TEXT, Metric

__all__ = ["Components"]


class Components:
    """The parts of one solution, each built on first use; ``close`` disconnects the stores."""

    def __init__(
        self, config: SolutionConfig, manager: Manager | None = None, folder: str | Path | None = None
    ) -> None:
        """``folder`` is that of the solution's YAML file; by default the current one."""
        self.config = config
        self.folder = Path(folder or ".").resolve()
        self.manager = manager or create_manager()
        self.manager.configure(config.name, config.plugins)
        self.path: Path | None = None
        """The YAML file, where the solution was created from one."""
        self.yaml = ""
        """The text of that file, in which environment variables are not expanded."""
        self._address = ""

    @classmethod
    def from_yaml(cls, path: str | Path, *, manager: Manager | None = None) -> Self:
        """Create a solution from its YAML file.

        Raises:
            ConfigError: the file is wrong; ``problems`` lists every mistake with its line.
        """
        manager = manager or create_manager()
        made = cls(load_config(path, manager), manager, Path(path).parent)
        made.path = Path(path).resolve()
        made.yaml = made.path.read_bytes().decode("utf-8-sig")
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect from both stores; they are connected again on next use."""
        for name in ("vectors", "metadata"):
            store = self.__dict__.pop(name, None)
            if store is not None:
                store.close()

    def publish_address(self, url: str) -> None:
        """Publish where this process answers those that cannot open an embedded Milvus, since this one has it."""
        self._address = url
        if (vectors := self.__dict__.get("vectors")) is not None:
            vectors.publish_address(url)

    @property
    def name(self) -> str:
        """The solution's name."""
        return self.config.name

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder, its model not yet loaded."""
        return self.new_encoder()

    def new_encoder(self) -> Encoder:
        """Another encoder with the same parameters, for ``ingest`` to run beside searches.

        One that is ``encode_is_thread_safe`` needs no other.
        """
        made = self.create_encoder()
        if made.learns:
            restore_state(made, self.metadata)
        return made

    def create_encoder(self) -> Encoder:
        """An encoder that has not learnt anything."""
        made = self.manager.encoders.build(self.config.encoder.type, self.config.encoder.params)
        require_modalities(made)
        return made

    @cached_property
    def reranker(self) -> Reranker | None:
        """The reranker, its model not yet loaded; None where the config names none.

        Raises:
            ConfigError: it reads texts, and the items are not texts.
        """
        if (block := self.config.rerank) is None:
            return None
        made = self.manager.rerankers.build(block.type, block.params)
        if made.reads_text and TEXT not in self.encoder.query_modalities[:1]:
            raise ConfigError(
                f"rerank: {block.type} reads texts, but items of encoder {self.config.encoder.type!r} are not texts",
                hint="remove `rerank` from the YAML",
            )
        return made

    @property
    def metric(self) -> Metric:
        """The metric of the index: the config's, or else the encoder's own."""
        return self.config.index.metric or self.encoder.space.metric

    @cached_property
    def source(self) -> Source:
        """The source."""
        return self.manager.sources.build(self.config.source.type, self.config.source.params)

    @cached_property
    def metadata(self) -> MetadataStore:
        """The metadata and the ledger, in Redis."""
        return MetadataStore(self.name, self.config.stores.redis, self.config.stores.timeout)

    @cached_property
    def vectors(self) -> VectorStore:
        """The vectors, in Milvus."""
        stores = self.config.stores
        store = VectorStore(
            self.name,
            stores.milvus,
            self._build_schema(),
            token=stores.token,
            timeout=stores.timeout,
            load_config=self._load_config,
        )
        if self._address:
            store.publish_address(self._address)
        return store

    @property
    def _load_config(self) -> LoadConfig:
        return LoadConfig(self.config.index.replicas, tuple(self.config.index.resource_groups))

    def _build_schema(self) -> Schema:
        encoder, config = self.encoder, self.config
        return Schema(require_space(encoder), encoder.segmented, config.field_specs, config.hybrid, encoder.labelled)
