# %% [markdown]
# # Recommend what somebody may like
#
# 360 films with made-up titles and 16,000 ratings by 400 users with planted tastes, in MovieLens' format. The encoder
# `als` learns from who rated what; Milvus keeps the films' vectors, and a user is a query. It takes about half a
# minute, offline and on the CPU.

# %%
# %pip install "vicinal[evaluate,map,recommend]"

# %% [markdown]
# ## A solution is a YAML file
#
# The folder has `movies.csv` and `ratings.csv`; a folder of the real MovieLens works the same, and any table with a
# user, an item and perhaps a weight and a time does.

# %%
from tempfile import TemporaryDirectory

from vicinal import Solution, build_map, evaluate, write_samples

temporary = TemporaryDirectory()
folder = write_samples(temporary.name)

yaml = """
name: films
source: {type: movielens, path: data/films}
encoder: {type: als, interactions: {path: data/films}}
fields: {genre: varchar(64), year: int64 = 0}
"""
(folder / "films.yaml").write_text(yaml)
films = Solution.from_yaml(folder / "films.yaml")

# %% [markdown]
# ## Learn and index
#
# The first run fits the model, and then indexes the films. Later ratings count after `films.drop()` and another
# `ingest`, since what is learnt anew changes every vector.

# %%
report = films.ingest(progress=True)
assert (report.new + report.skipped, report.failed) == (360, 0)

# %% [markdown]
# ## What may user 7 like?
#
# Films that the user has rated already are left out.

# %%
found = films.search("user:7", limit=5)
found

# %% [markdown]
# The same, among comedies only.

# %%
comedies = films.search("user:7", limit=3, filter='genre == "Comedy"')
assert {hit.metadata["genre"] for hit in comedies} == {"Comedy"}
comedies

# %% [markdown]
# ## Films that the same people like
#
# `@` and a key ask for more like an indexed film. Film 3 is science fiction, and so is what is found, though the model
# knows neither titles nor genres, only who rated what.

# %%
found = films.search("@3", limit=5)
assert [hit.metadata["genre"] for hit in found].count("Sci-Fi") >= 4
found

# %% [markdown]
# ## Somebody new
#
# Somebody who has rated nothing yet names a film that is liked and one that is not. The examples are folded in as if
# they were ratings. Film 3 is science fiction, film 2 a comedy.

# %%
found = films.search(like=["@3"], unlike=["@2"], limit=5)
assert "Comedy" not in {hit.metadata["genre"] for hit in found}
found

# %% [markdown]
# ## A map
#
# Each point is a film, near to those that the same people like; the colours are genres, which the model never saw.
# Without `method` it is drawn by UMAP, and `build_map(films).save("map.html")` writes a page that tells what each
# point is.

# %%
build_map(films, color="genre", method="pca")

# %% [markdown]
# ## How good is it?
#
# The last fifth of each user's ratings is held back, and the model learns from the others. Recall@10 is the share of
# what was held back that is among the ten films a user is recommended. Simple models stand beside it: what is popular,
# what is like the films that the user rated (item cosine), and EASE, a linear model. With other users of the same sort
# a figure would lie in its interval (95%, by bootstrap); the last line compares with the best simple model, user by
# user.

# %%
report = evaluate(films)
for name, figures in {report.model: report.metrics, **report.baselines}.items():
    figure = figures["recall@10"]
    print(f"{name:12} recall@10 {figure.value:.2f}, between {figure.low:.2f} and {figure.high:.2f}")
print(report.comparison.describe(report.model))
recalls = {name: figures["recall@10"].value for name, figures in report.baselines.items()}
assert report.metrics["recall@10"].value >= 2 * recalls["popularity"]

# %% [markdown]
# ## Change this
#
# - your own data: `encoder: {type: als, interactions: {path: plays.parquet, user: who, item: what, weight:
#   minutes}}`, and any source whose keys are the items;
# - `seen: include` recommends what a user knows, too, as for groceries;
# - `cold: popular` indexes items that nobody has rated yet, so that filters find them;
# - parameters by trial on data that are held back: `evaluate(films, search=True)`.

# %% [markdown]
# ## Clean up

# %%
films.close()
temporary.cleanup()
