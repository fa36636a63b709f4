# %% [markdown]
# # Find pictures by a picture
#
# Forty drawn pictures of eight kinds of scene, an encoder that sees what is in them (EfficientNet-Lite0), Milvus for
# the vectors and Redis for the metadata, both embedded in this process. It takes about half a minute, needs neither
# network nor graphics card, and leaves nothing behind.

# %%
# %pip install "vicinal[evaluate,image,map]"

# %% [markdown]
# ## A solution is a YAML file
#
# `write_samples` copies the sample data into a folder, here a temporary one; your own pictures stay where they are.
# `source` says what is read, `encoder` what makes vectors of it, and `fields` what can be filtered by.

# %%
from tempfile import TemporaryDirectory

from vicinal import Item, Solution, build_map, evaluate, write_samples

temporary = TemporaryDirectory()
folder = write_samples(temporary.name)

yaml = """
name: pictures
source: {type: folder, path: data/images, include: ["**/*.{jpg,jpeg,png,webp}"]}
encoder: {type: efficientnet_lite0}
fields: {folder: varchar(256)}
"""
(folder / "pictures.yaml").write_text(yaml)
pictures = Solution.from_yaml(folder / "pictures.yaml")

# %% [markdown]
# ## Index
#
# A second run would encode only what is new or changed. Pictures that cannot be read are counted and listed with the
# reason (`pictures.failures()`).

# %%
report = pictures.ingest(progress=True)
assert (report.new, report.failed) == (40, 0)

# %% [markdown]
# ## Search
#
# This was cut out of one of the pictures, and blurred. Which one?

# %%
query = folder / "data" / "cut-out.jpg"
pictures.render(Item("cut-out", query))

# %%
found = pictures.search(query, limit=4)
assert found[0].key == "fish/fish-4.jpg"
found

# %% [markdown]
# `@` and a key ask for more like an indexed picture; a filter over the declared fields says which may be found. Which
# pictures look like this sunset, but are no sunsets?

# %%
found = pictures.search("@sunset/sunset-2.jpg", limit=4, filter='folder != "sunset"')
assert all(hit.metadata["folder"] in ("house", "mountains") for hit in found)
found

# %% [markdown]
# ## A map
#
# Each point is a picture, near to those that its vector is near to; the colours are the folders, which the encoder
# never saw. Without `method` it is drawn by UMAP, and `build_map(pictures).save("map.html")` writes a page that shows
# the picture at each point.

# %%
build_map(pictures, color="folder", method="pca")

# %% [markdown]
# ## How good is it?
#
# Each picture in turn is the query: which share of its four nearest is of its own kind? With other pictures of the
# same sort the figure would lie in the interval (95%, by bootstrap); chance is what a random order gives.

# %%
report = evaluate(pictures, labels="folder", measures=["P@4"])
figure = report.metrics["P@4"]
print(f"of the four nearest, of the same kind: {figure.value:.2f}, between {figure.low:.2f} and {figure.high:.2f}")
print(f"by chance: {report.chance:.2f}")
assert abs(figure.value - 0.97) < 0.03

# %% [markdown]
# ## Change this
#
# - your own pictures: `source: {type: folder, path: /where/they/are}`;
# - another encoder: `{type: torchvision, model: resnet50}`, any of timm's (`{type: timm, model: …}`), or `{type:
#   clip}`, which is asked by sentences, too; these fetch their weights once;
# - another index: `index: {type: HNSW, params: {M: 16, efConstruction: 200}, search: {ef: 64}}`;
# - servers in place of the embedded stores: `stores: {milvus: "http://…:19530", redis: "redis://…"}`.

# %% [markdown]
# ## Clean up
#
# `close` ends the two embedded stores; what they kept lies in the temporary folder.

# %%
pictures.close()
temporary.cleanup()
