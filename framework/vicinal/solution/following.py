"""Follows the generation that is live: another process may have put a new one in the place of the old by a reindex.

Its encoder or its fields may be others, which the YAML said when it was built. So whoever follows takes the first of
these configs that describes it: its own, that of the YAML file as it is now, that which the generation's state has.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Self, TypeVar

from vicinal.config import SolutionConfig, load_config
from vicinal.errors import StoreUnreachableError, VicinalError
from vicinal.plugin.manager import Manager
from vicinal.solution.checksum import config_checksum
from vicinal.solution.collection import describe_contents
from vicinal.solution.components import Components
from vicinal.solution.learning import restore_state
from vicinal.stores.redis import MetadataStore

__all__ = ["FollowingComponents"]

T = TypeVar("T")

_SHARED = ("vectors", "encoder", "source", "reranker")
_PARTS = (*_SHARED, "metadata", "_collection")


class FollowingComponents(Components):
    """Encoder and both stores of one generation, which are exchanged together while nobody searches."""

    _is_pinned = False
    """Whether it stays with its generation, whichever is live."""

    def __init__(
        self, config: SolutionConfig, manager: Manager | None = None, folder: str | Path | None = None
    ) -> None:
        super().__init__(config, manager, folder)
        self._open_lock = threading.RLock()
        self._encoder_lock = threading.Lock()

    @abstractmethod
    def _pause_searches(self) -> AbstractContextManager[None]:
        """Wait until nobody searches, keep others from it, and open the searcher anew afterwards."""

    def close(self) -> None:
        """Disconnect from both stores; they are connected again on next use."""
        if not self._is_pinned:  # else the connections are those of the solution that it was made from
            super().close()

    def follow(self) -> int:
        """Use the generation that is live, if a reindex has put another one in the place of this one; returns it."""
        if self._is_pinned:
            return self.metadata.generation
        with self._open_lock:
            live = self.metadata.read_live_generation()
            if live != self.metadata.generation:
                metadata = self.metadata.of_generation(live)
                self._adopt_generation(self._find_described(metadata) or self._pin_generation(metadata))
            return live

    def read_checksum(self) -> str:
        """What the YAML file, as it is now, is recognized by; without a file, what the config is.

        Raises:
            ConfigError: the file is wrong.
            VicinalError: it names another solution or other stores.
        """
        return config_checksum(self._read_yaml()[0])

    def _pin_generation(
        self, metadata: MetadataStore, config: SolutionConfig | None = None, yaml: str | None = None
    ) -> Self:
        """The solution at another generation, where it stays; by the same connections, and maybe another config."""
        made = type(self)(config or self.config, self.manager, self.folder)
        made.path, made.yaml = self.path, self.yaml if yaml is None else yaml
        made._is_pinned = True
        made.__dict__["metadata"] = metadata
        if config is None:
            made.__dict__.update(
                {part: self.__dict__[part] for part in ("source", "reranker") if part in self.__dict__}
            )
            if not self.encoder.learns:
                made.__dict__["encoder"], made._encoder_lock = self.encoder, self._encoder_lock
        if "vectors" in self.__dict__:
            made.__dict__["vectors"] = self.vectors.of_collection(
                self.vectors.alias, made._build_schema(), made._load_config
            )
        return made

    def _read_yaml(self) -> tuple[SolutionConfig, str]:
        """The config of the solution's YAML file as it is now, and its text; its own config where there is no file.

        Raises:
            ConfigError: the file is wrong.
            VicinalError: it names another solution or other stores.
        """
        if self.path is None:
            return self.config, self.yaml
        config = load_config(self.path, self.manager)
        if (config.name, config.stores) != (self.name, self.config.stores):
            raise VicinalError(
                f"{self.path} now names another solution, or other stores, than when {self.name!r} was opened",
                hint="undo that, or start this process again",
            )
        return config, self.path.read_bytes().decode("utf-8-sig")

    def _find_described(self, metadata: MetadataStore) -> Self | None:
        """The solution pinned at a generation by the first config that describes that, if there is one."""
        state = metadata.state()
        for config, yaml in self._iter_configs(str(state.get("yaml", ""))):
            try:
                pinned = self._pin_generation(metadata, config, yaml)
                restore_state(pinned.encoder, metadata)
                contents = describe_contents(pinned.config, pinned.encoder)
                if contents == {name: state.get(name) for name in contents}:
                    return pinned
            except StoreUnreachableError:
                raise
            except VicinalError:  # what this config names may not be installed here
                continue
        return None

    def _iter_configs(self, kept: str) -> Iterator[tuple[SolutionConfig | None, str | None]]:
        """The configs by which a generation may have been built, with their texts; None for the solution's own."""
        yield None, None
        with suppress(VicinalError):  # the file may just be edited
            yield self._read_yaml()
        if kept:
            with suppress(VicinalError):  # it may name what is not installed here
                config = load_config(self.path or self.folder / f"{self.name}.yaml", self.manager, kept)
                others = {"stores": self.config.stores, "plugins": self.config.plugins}
                yield config.model_copy(update=others), kept

    def _adopt_generation(self, pinned: FollowingComponents) -> None:
        """Use the generation and the config of a solution that is pinned there."""
        _ = pinned.encoder  # which is made before searches are paused
        metadata = pinned.metadata.of_generation(pinned.metadata.generation)
        with self._open_lock, self._pause_searches():
            self.config, self.yaml = pinned.config, pinned.yaml
            for part in _PARTS:
                self.__dict__.pop(part, None)
            parts = {part: pinned.__dict__[part] for part in _SHARED if part in pinned.__dict__}
            self.__dict__.update(parts, metadata=metadata)

    def read(self, work: Callable[[], T]) -> T:
        """Do what only reads; again, if it fails while a reindex puts another generation in the place of this one."""
        while True:
            generation = self.metadata.generation
            try:
                return work()
            except StoreUnreachableError:
                raise
            except Exception:
                if self.follow() == generation:
                    raise
