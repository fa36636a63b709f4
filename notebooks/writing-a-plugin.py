# %% [markdown]
# # Writing a plugin
#
# Nothing in vicinal knows what a colour is. In the next cells it learns to search for them: an encoder of thirty
# lines, and the rest (reading, writing, indexing, filters, terminal, server, page) is there already. It takes a few
# seconds.

# %%
# %pip install vicinal

# %% [markdown]
# ## An encoder
#
# `decode` reads one item and says what is wrong with it; `encode` makes vectors of many; `render` shows one. What
# users type is a modality, with an example that is sure to be read.

# %%
import colorsys

import numpy as np
from vicinal import Encoder, Item, ItemError, Modality, Rendering, Segment, Space

COLOUR = Modality("colour", label="colour", placeholder="As #ff8800", example="#ff8800", renders="svg")


class Colours(Encoder["Colours.Params"]):
    """Colours by hue, saturation and brightness."""

    query_modalities = (COLOUR,)
    space = Space(3, metric="L2")

    class Params(Encoder.Params):
        brightness: float = 0.5
        """How much it matters, beside hue and saturation, how bright a colour is."""

    @property
    def signature(self) -> str:
        return f"colours/1/{self.params.brightness}"  # another one means other vectors

    def decode(self, item: Item) -> list[Segment]:
        try:
            red, green, blue = bytes.fromhex(str(item.content).removeprefix("#"))
        except ValueError:
            raise ItemError("a colour has six hexadecimal digits, as #ff8800") from None
        return [Segment((red / 255, green / 255, blue / 255))]

    def encode(self, samples) -> np.ndarray:
        vectors = np.zeros((len(samples), 3), np.float32)
        for row, sample in enumerate(samples):
            hue, saturation, value = colorsys.rgb_to_hsv(*sample)
            angle, radius = 2 * np.pi * hue, saturation * value
            vectors[row] = radius * np.cos(angle), radius * np.sin(angle), self.params.brightness * value
        return vectors

    def render(self, item: Item) -> Rendering:
        try:
            self.decode(item)
        except ItemError:
            return Rendering("text", str(item.content))
        box = f'<rect width="160" height="60" rx="6" fill="{item.content}"/>'
        return Rendering("svg", f'<svg xmlns="http://www.w3.org/2000/svg" width="160" height="60">{box}</svg>')


# %% [markdown]
# ## A plugin
#
# A plugin registers names. A package does so by an entry point, and then every YAML on that machine may use them; a
# program may also register one by hand.

# %%
from vicinal import create_manager, hookimpl


class Plugin:
    @hookimpl
    def register_encoders(self, encoders):
        encoders.add("colours", f"{__name__}:Colours", summary="colours by hue, saturation and brightness")


manager = create_manager()
assert manager.register(Plugin(), "colours").encoders == ["colours"]

# %% [markdown]
# ## A solution
#
# Twenty colours by their names on the web, and one that is none.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from vicinal import Solution

temporary = TemporaryDirectory()
folder = Path(temporary.name)
names = """name,code,kind
crimson,#dc143c,red
firebrick,#b22222,red
tomato,#ff6347,red
salmon,#fa8072,red
darkorange,#ff8c00,orange
orange,#ffa500,orange
gold,#ffd700,yellow
khaki,#f0e68c,yellow
olive,#808000,yellow
limegreen,#32cd32,green
forestgreen,#228b22,green
seagreen,#2e8b57,green
teal,#008080,blue
turquoise,#40e0d0,blue
deepskyblue,#00bfff,blue
royalblue,#4169e1,blue
navy,#000080,blue
indigo,#4b0082,violet
orchid,#da70d6,violet
plum,#dda0dd,violet
unknown,#nothing,red
"""
(folder / "colours.csv").write_text(names)
yaml = """
name: colours
source: {type: table, path: colours.csv, key: name, content: code}
encoder: {type: colours, brightness: 0.5}
fields: {kind: varchar(16)}
"""
(folder / "colours.yaml").write_text(yaml)
colours = Solution.from_yaml(folder / "colours.yaml", manager=manager)

report = colours.ingest(progress=True)
assert (report.new, report.failed) == (20, 1)

# %% [markdown]
# The one that is none did not end the run; it is listed with the encoder's reason.

# %%
for failure in colours.failures():
    print(f"{failure.key}: {failure.message}")

# %% [markdown]
# ## Search

# %%
found = colours.search("#ff8800", limit=5)
assert found[0].key == "darkorange"
found

# %% [markdown]
# ## Does the parameter matter?
#
# For each colour: is the nearest other one of the same kind? Asked with a brightness of 0.5 and of 2, colour by colour;
# the interval of the difference (95%, by bootstrap) leaves 0 out, so that 20 colours are enough to tell.

# %%
rows = [line.split(",") for line in names.splitlines()[1:-1]]
kinds = np.array([kind for *_, kind in rows])


def compare_kinds(brightness):
    encoder = Colours(Colours.Params(brightness=brightness))
    vectors = encoder.encode([encoder.decode(Item(name, code))[0].sample for name, code, _ in rows])
    distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return kinds[distances.argmin(axis=1)] == kinds


little, much = compare_kinds(0.5), compare_kinds(2.0)
difference = little.astype(float) - much
draws = np.random.default_rng(0).choice(difference, (2000, len(difference))).mean(axis=1)
low, high = np.quantile(draws, [0.025, 0.975])
print(f"same kind: {little.mean():.2f} and {much.mean():.2f}; difference between {low:.2f} and {high:.2f}")
assert (little.mean(), much.mean()) == (0.95, 0.7)
assert low > 0

# %% [markdown]
# ## Change this
#
# - into a package that installs: `vicinal plugin new colours` writes one, with its tests;
# - `vicinal.testing.EncoderContract` holds an encoder to all that vicinal relies on, in a test of four lines;
# - a source (`--source`), a reranker (`--reranker`) and a command (`--command`) are plugins of the same kind;
# - the guide: `docs/writing-a-plugin.md`.

# %% [markdown]
# ## Clean up

# %%
colours.close()
temporary.cleanup()
