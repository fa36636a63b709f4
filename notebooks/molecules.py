# %% [markdown]
# # Find molecules by their structure
#
# 579 medicines and natural products, Morgan fingerprints by RDKit, and exact Tanimoto similarity. It takes about ten
# seconds on the CPU.

# %%
# %pip install "vicinal[evaluate,map,molecule]"

# %% [markdown]
# ## A solution is a YAML file
#
# A table of your own needs a column of names and one of SMILES; all other columns are kept as metadata.

# %%
from tempfile import TemporaryDirectory

from vicinal import Solution, build_map, evaluate, write_samples

temporary = TemporaryDirectory()
folder = write_samples(temporary.name)

yaml = """
name: molecules
source: {type: table, path: data/molecules.csv, key: name, content: smiles}
encoder: {type: morgan, bits: 2048, radius: 2}
fields: {use: varchar(64)}
"""
(folder / "molecules.yaml").write_text(yaml)
molecules = Solution.from_yaml(folder / "molecules.yaml")

# %% [markdown]
# ## Index
#
# A SMILES that RDKit refuses is counted as failed, with RDKit's reason, and the others go on.

# %%
report = molecules.ingest(progress=True)
assert (report.new, report.failed) == (579, 0)

# %% [markdown]
# ## Search
#
# What is built like aspirin? A query is a SMILES, or `@` and the name of an indexed molecule.

# %%
found = molecules.search("CC(=O)Oc1ccccc1C(=O)O", limit=3)
assert [hit.key for hit in found[:2]] == ["aspirin", "salicylic acid"]
assert found[0].similarity == 1
found

# %% [markdown]
# Like diazepam, but not a benzodiazepine: a filter over the declared fields.

# %%
found = molecules.search("@diazepam", limit=2, filter='use != "benzodiazepine"')
assert found[0].key == "clomipramine"
found

# %% [markdown]
# Like diazepam, with a pyridine in it: the molecule plugin brings a filter by substructure, a SMARTS.

# %%
found = molecules.search("@diazepam", limit=2, item_filters={"substructure": "c1ccncc1"})
assert found[0].key == "trazodone"
found

# %% [markdown]
# ## A map
#
# Each point is a molecule, near to those that are built like it; the colours are the uses, which the encoder never
# saw. Without `method` it is drawn by UMAP, and `build_map(molecules).save("map.html")` writes a page that draws the
# molecule at each point.

# %%
build_map(molecules, color="use", method="pca")

# %% [markdown]
# ## How good is it?
#
# Structure hints at use. Each molecule in turn is the query: is the nearest other one of the same use? With other
# molecules of these uses the figure would lie in the interval (95%, by bootstrap); chance is what a random order
# gives.

# %%
report = evaluate(molecules, labels="use", measures=["P@1"])
figure = report.metrics["P@1"]
print(f"nearest molecule is of the same use: {figure.value:.2f}, between {figure.low:.2f} and {figure.high:.2f}")
print(f"by chance: {report.chance:.2f}")
assert abs(figure.value - 0.70) < 0.02

# %% [markdown]
# ## Change this
#
# - your own molecules: `source: {type: molecules, path: library.sdf.gz}` reads SMILES files and SDF with all
#   properties;
# - another fingerprint: `encoder: {type: fingerprint, kind: maccs}`, or `rdkit`, `atom_pair`, `torsion`, `avalon`;
# - the whole in a page with drawings: `vicinal serve molecules.yaml`.

# %% [markdown]
# ## Clean up
#
# `close` ends the two embedded stores; what they kept lies in the temporary folder.

# %%
molecules.close()
temporary.cleanup()
