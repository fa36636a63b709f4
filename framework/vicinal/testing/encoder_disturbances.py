"""The contract of encoders, disturbances: what ``vicinal evaluate --self`` does to items before it asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from vicinal.plugin.disturbance_calls import disturb_content, list_disturbances, make_generator, to_query
from vicinal.plugin.evaluation import Disturbance
from vicinal.testing.encoder_under_test import EncoderUnderTest

__all__ = ["DisturbanceContract"]


class DisturbanceContract(EncoderUnderTest):
    """The tests of what ``list_disturbances`` returns."""

    def test_disturbances_are_described(self) -> None:
        for disturbance in list_disturbances(self.encoder):
            assert disturbance.label.strip(), f"{disturbance.name}: give a label, as `mirrored pictures`"
            assert 0 < disturbance.expected <= 1, f"{disturbance.name}: expected is a share above 0, up to 1"
            assert disturbance.suffix == "" or disturbance.suffix.startswith("."), f"{disturbance.name}: write `.jpg`"

    def test_a_disturbed_item_is_a_query(self) -> None:
        for disturbance in list_disturbances(self.encoder):
            queries = [query for _, query in self._disturb_contents(disturbance) if query is not None]
            assert queries, f"{disturbance.name} changes none of the good contents; give one that it changes"
            for query in queries:
                with TemporaryDirectory(prefix="vicinal-testing-") as folder:
                    asked = to_query(query, Path(folder, f"query{disturbance.suffix}"))
                    assert self.encoder.decode_query(asked), f"{disturbance.name}: {asked!r} has no segment"

    def test_disturbances_are_seeded(self) -> None:
        """The same content and generator give the same query, so that a report can be made again."""
        for disturbance in list_disturbances(self.encoder):
            for (content, first), (_, second) in zip(
                self._disturb_contents(disturbance), self._disturb_contents(disturbance), strict=True
            ):
                assert first == second, f"{disturbance.name}: {content!r} gives two queries; draw from the generator"

    def _disturb_contents(self, disturbance: Disturbance) -> Iterator[tuple[str | Path, str | bytes | None]]:
        """The good contents, and what one disturbance makes of them."""
        for content in self._select_queries(self.good):
            generator = make_generator(0, str(content), disturbance.name)
            yield content, disturb_content(self.encoder, disturbance, content, generator)
