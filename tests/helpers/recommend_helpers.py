"""What tests of recommendation share: the sample of films, its matrix, and the model of the library itself."""

from __future__ import annotations

from pathlib import Path

from scipy.sparse import csr_matrix

from vicinal import Item
from vicinal_recommend.als import Als
from vicinal_recommend.histories import HistoryBuilder
from vicinal_recommend.interactions import InteractionReader, InteractionTable

FILMS = Path(__file__).parents[2] / "configs" / "data" / "films"
KEYS = [str(number) for number in range(1, 361)]


def make_als(path=FILMS, interactions=None, **params):
    return Als(Als.Params.model_validate({"interactions": {"path": path, **(interactions or {})}, **params}))


def index_films(lite):
    """Ingest the sample, with what users of it rated, as a solution of recommendations."""
    solution = lite.solution(
        "films",
        source=f"{{type: movielens, path: '{FILMS}'}}",
        encoder=f"{{type: als, interactions: {{path: '{FILMS}'}}}}",
        extra="fields: {genre: varchar(64)}",
    )
    solution.ingest()
    return solution


def fit(encoder, keys=KEYS):
    encoder.restore(encoder.fit([Item(key, f"film {key}") for key in keys]))
    return encoder


def read_matrix(path=FILMS, keys=KEYS, **table):
    block = InteractionTable.model_validate({"path": path, **table})
    builder = HistoryBuilder(keys, block.min_weight)
    for chunk in InteractionReader(block):
        builder.add(chunk)
    return builder.build()


def fit_implicit(matrix, alpha=3.0):
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(64, 20.0, alpha, iterations=15, random_state=0)
        model.fit(csr_matrix(matrix.weights), show_progress=False)
    return model
