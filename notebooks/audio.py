# %% [markdown]
# # Find sounds by how they sound
#
# 36 short sounds of nine kinds and an encoder of spectra that needs no network: what rings, hums, hisses or chirps
# alike is near. It takes about ten seconds on the CPU. Turn the volume down before you press play.

# %%
# %pip install "vicinal[audio,evaluate,map]"

# %% [markdown]
# ## A solution is a YAML file
#
# Sounds of any length and format that FFmpeg reads; `window: 10, hop: 5` would split long recordings.

# %%
from tempfile import TemporaryDirectory

from vicinal import Item, Solution, build_map, evaluate, write_samples

temporary = TemporaryDirectory()
folder = write_samples(temporary.name)

yaml = """
name: sounds
source: {type: folder, path: data/sounds, include: ["**/*.{ogg,flac,wav,mp3,m4a}"]}
encoder: {type: melstats}
fields: {folder: varchar(64)}
"""
(folder / "sounds.yaml").write_text(yaml)
sounds = Solution.from_yaml(folder / "sounds.yaml")

# %% [markdown]
# ## Index
#
# Decoding runs on all cores beside encoding; a file that is damaged is counted, with the reason, and the others go
# on.

# %%
report = sounds.ingest(progress=True)
assert (report.new, report.failed) == (36, 0)

# %% [markdown]
# ## Search
#
# Two seconds of one of the sounds, heard in the rain. Which one?

# %%
query = folder / "data" / "owl-in-the-rain.ogg"
sounds.render(Item("owl in the rain", query))

# %%
found = sounds.search(query, limit=3)
assert found[0].key == "birds/owl.ogg"
found

# %% [markdown]
# `@` and a key ask for more like an indexed sound. Which sounds are like this chord, but are no chords?

# %%
found = sounds.search("@chords/major.ogg", limit=3, filter='folder != "chords"')
assert found[0].key == "tones/saw.ogg"
found

# %% [markdown]
# ## A map
#
# Each point is a sound, near to those that its vector is near to; the colours are the folders, which the encoder
# never saw. Without `method` it is drawn by UMAP, and `build_map(sounds).save("map.html")` writes a page that tells
# what each point is.

# %%
build_map(sounds, color="folder", method="pca")

# %% [markdown]
# ## How good is it?
#
# Each sound in turn is the query: which share of its three nearest is of its own kind? With other sounds of the same
# sort the figure would lie in the interval (95%, by bootstrap); chance is what a random order gives. A third is far
# above chance and far from all: spectra tell how sounds sound, not what made them.

# %%
report = evaluate(sounds, labels="folder", measures=["P@3"])
figure = report.metrics["P@3"]
print(f"of the three nearest, of the same kind: {figure.value:.2f}, between {figure.low:.2f} and {figure.high:.2f}")
print(f"by chance: {report.chance:.2f}")
assert abs(figure.value - 0.33) < 0.03

# %% [markdown]
# ## Change this
#
# - your own sounds: `source: {type: folder, path: /where/they/are}`;
# - long recordings: `encoder: {type: melstats, window: 10, hop: 5}`; then a hit tells the second, and plays from
#   there;
# - what is heard in place of how it sounds: `{type: clap}`, which is asked by sentences, too, or any bundle of
#   torchaudio (`{type: torchaudio, bundle: …}`); these fetch their weights once;
# - librosa's features by name: `{type: librosa, …}`.

# %% [markdown]
# ## Clean up
#
# `close` ends the two embedded stores; what they kept lies in the temporary folder.

# %%
sounds.close()
temporary.cleanup()
