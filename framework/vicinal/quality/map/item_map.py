"""The map of a solution's items: each a point on a plane, near to those that its vector is near to."""

from __future__ import annotations

from pathlib import Path

from vicinal.errors import VicinalError
from vicinal.quality.colors import color_by
from vicinal.quality.map.data import MapData
from vicinal.quality.map.page import build_page
from vicinal.quality.map.picture import draw_picture
from vicinal.quality.map.projection import Method, Projector, project_vectors
from vicinal.quality.map.thumbnails import make_thumbnails
from vicinal.quality.sample import read_sample, require_seed
from vicinal.solution.solution import Solution
from vicinal.toolkit.pages import write_page
from vicinal.toolkit.text import shorten

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "ItemMap", "build_map"]

DEFAULT_LIMIT = 2_000
MAX_LIMIT = 20_000
_MAX_LABEL_CHARS = 200


class ItemMap(MapData):
    """The map of a solution's items, as ``build_map`` makes it; what it holds, ``MapData`` tells.

    A notebook shows it as a picture; ``save`` writes it as a page of its own, with a thumbnail for each point.
    """

    __slots__ = ()

    def to_html(self) -> str:
        """A page of its own, of 5 MB and the thumbnails, that loads nothing from elsewhere.

        Raises:
            DependencyError: plotly is not installed.
        """
        return build_page(self)

    def save(self, path: str | Path) -> Path:
        """Write ``to_html`` to a file, in one step, and return its path.

        Raises:
            VicinalError: the file cannot be written.
            DependencyError: plotly is not installed.
        """
        path = Path(path)
        write_page(path, self.to_html())
        return path

    def _repr_html_(self) -> str:
        """A picture (SVG) of 3,000 points at most, about 150 kB: notebooks keep it."""
        return draw_picture(self)


def build_map(
    solution: Solution,
    color: str | None = None,
    limit: int = DEFAULT_LIMIT,
    *,
    seed: int = 0,
    method: Method | None = None,
    thumbnails: bool = True,
    projector: Projector = project_vectors,
) -> ItemMap:
    """Map a solution's items. The same collection and seed give the same map on one machine.

    Args:
        color: the metadata field that the points' colours tell.
        limit: of more items it takes a random sample of so many, 2 to 20,000; memory grows with it, and not with the
            collection.
        method: by default ``umap`` for more than 15 items where umap-learn is installed, else ``pca``.
        thumbnails: whether ``to_html`` has a small picture for each item.
        projector: what places the vectors, as another process; by default ``project_vectors``.

    Raises:
        NothingIndexedError: fewer than two items are indexed.
        VicinalError: no item has the field, or the limit or the seed is out of range.
        DependencyError: UMAP is asked for, and umap-learn is not installed.
    """
    if not 2 <= limit <= MAX_LIMIT:
        raise VicinalError(f"limit is {limit}", hint=f"a map has 2 to {MAX_LIMIT:,} items")
    require_seed(seed)
    sample = read_sample(solution, limit, seed)
    records = sample.records
    metadata = [record.metadata for record in records]
    coloring = color_by(color, metadata) if color is not None else None
    placed = projector(sample.vectors, solution.metric, seed, method)
    return ItemMap(
        solution.name,
        [record.key for record in records],
        placed.coordinates,
        [shorten(" ".join((record.content or record.key).split()), _MAX_LABEL_CHARS) for record in records],
        metadata,
        make_thumbnails(solution, records) if thumbnails else [""] * len(records),
        sample.total,
        placed.method,
        placed.neighbors,
        placed.neighbors_kept,
        sample.segmented,
        seed,
        coloring,
    )
