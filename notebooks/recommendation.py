# %% [markdown]
# # Recommend what somebody may like
#
# 360 films with made-up titles and 16,000 ratings by 400 users with planted tastes, in MovieLens' format. The encoder
# `als` learns from who rated what; Milvus keeps the films' vectors, and a user is a query. It takes about half a
# minute, offline and on the CPU.

# %%
# %pip install "vicinal[map,recommend]"

# %% [markdown]
# ## A solution is a YAML file
#
# The folder has `movies.csv` and `ratings.csv`; a folder of the real MovieLens works the same, and any table with a
# user, an item and perhaps a weight and a time does.

# %%
from tempfile import TemporaryDirectory

from vicinal import Solution, build_map, write_samples

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
# The first run fits the model, and then indexes the films; `films.fit()` does so anew when there are more ratings.

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
# `@` and a key: nothing of a film's title or genre was learnt from, only who rated it. Film 3 is science fiction.

# %%
found = films.search("@3", limit=5)
assert [hit.metadata["genre"] for hit in found].count("Sci-Fi") >= 4
found

# %% [markdown]
# ## Somebody new
#
# Who has rated nothing yet says what is liked and what is not: these examples are folded in as if they were ratings.
# Film 3 is science fiction, film 2 a comedy.

# %%
found = films.search(like=["@3"], unlike=["@2"], limit=5)
assert "Comedy" not in {hit.metadata["genre"] for hit in found}
found

# %% [markdown]
# ## A map
#
# Each point is a film, near to those that the same people like; the colours are genres, which the model never saw.

# %%
build_map(films, color="genre", method="pca")

# %% [markdown]
# ## How good is it?
#
# The last fifth of each user's ratings is held back, the model learns from the others, and recommends ten films to
# each user: which share of those that were held back is among them? Beside it the same for the ten films that most
# users have rated. The interval (95%, by bootstrap over the users) is that of the difference.

# %%
import csv
from collections import Counter, defaultdict

import numpy as np

histories = defaultdict(list)
for row in csv.DictReader((folder / "data" / "films" / "ratings.csv").open()):
    histories[row["userId"]].append(row)  # by time, as the file is
known = {user: rows[: len(rows) * 4 // 5] for user, rows in histories.items()}
(folder / "past").mkdir()
(folder / "past" / "movies.csv").write_bytes((folder / "data" / "films" / "movies.csv").read_bytes())
with (folder / "past" / "ratings.csv").open("w", newline="") as file:
    writer = csv.DictWriter(file, histories["1"][0])
    writer.writeheader()
    writer.writerows(row for rows in known.values() for row in rows)
(folder / "past.yaml").write_text(yaml.replace("name: films", "name: past").replace("data/films", "past"))
with Solution.from_yaml(folder / "past.yaml") as past:
    past.ingest()
    lists = past.search([f"user:{user}" for user in known], limit=10)

popular = [film for film, _ in Counter(row["movieId"] for rows in known.values() for row in rows).most_common()]
recalls = []
for (user, rows), found in zip(known.items(), lists, strict=True):
    seen = {row["movieId"] for row in rows}
    held = {row["movieId"] for row in histories[user]} - seen
    best_known = [film for film in popular if film not in seen][:10]
    recalls.append([len(held.intersection(ten)) / len(held) for ten in ([hit.key for hit in found], best_known)])
recall, popularity = np.mean(recalls, axis=0)
draws = np.random.default_rng(0).choice(np.subtract(*np.transpose(recalls)), (2000, len(recalls))).mean(axis=1)
low, high = np.quantile(draws, [0.025, 0.975])
print(f"recall@10 {recall:.2f}, popularity {popularity:.2f}; difference between {low:.2f} and {high:.2f}")
assert recall >= 2 * popularity
assert low > 0

# %% [markdown]
# ## Change this
#
# - your own data: `encoder: {type: als, interactions: {path: plays.parquet, user: who, item: what, weight: minutes}}`,
#   and any source whose keys are the items;
# - `seen: include` recommends what a user knows, too, as for groceries;
# - `cold: popular` indexes items that nobody has rated yet, so that filters find them;
# - `factors`, `regularization` and `alpha`: the defaults were measured on MovieLens.

# %% [markdown]
# ## Clean up

# %%
films.close()
temporary.cleanup()
