# %% [markdown]
# # Find the moment in a video
#
# Eight short videos, a frame a second of each, and the encoder of pictures that sees what is in them. Asked by a
# still or by another video, it tells which video, and when. It takes about half a minute, offline and on the CPU.

# %%
# %pip install "vicinal[map,video]"

# %% [markdown]
# ## A solution is a YAML file
#
# A hit is a video; `every` says how many seconds lie between the frames that are looked at.

# %%
from tempfile import TemporaryDirectory

from vicinal import Rendering, Solution, build_map, write_samples

temporary = TemporaryDirectory()
folder = write_samples(temporary.name)

yaml = """
name: videos
source: {type: folder, path: data/videos, include: ["**/*.{mp4,mov,mkv,webm}"]}
encoder: {type: keyframes, every: 1.0, image: {type: efficientnet_lite0}}
"""
(folder / "videos.yaml").write_text(yaml)
videos = Solution.from_yaml(folder / "videos.yaml")

# %% [markdown]
# ## Index
#
# Each frame is a row of its own in Milvus, so that eight videos of nine seconds are 72 rows.

# %%
report = videos.ingest(progress=True)
assert (report.new, report.failed) == (8, 0)
assert report.rows == 72

# %% [markdown]
# ## Search by a still
#
# In which video is this train seen, and when? What is shown of a hit is the moment that was found.

# %%
still = folder / "data" / "videos" / "train.jpg"
Rendering("image", str(still))

# %%
found = videos.search(still, limit=2)
assert (found[0].key, found[0].place) == ("winter.mp4", "0:04")
found

# %% [markdown]
# ## Search by a video
#
# Which others share moments with this one? Each of its frames looks for its best match, and the mean of these orders
# the videos.

# %%
found = videos.search("@new-year.mp4", limit=2)
assert found[0].key == "night-out.mp4"
found

# %% [markdown]
# ## A map
#
# Each point is a video, near to those that it shares most with. `build_map(videos).save("map.html")` writes a page
# that shows a frame at each point.

# %%
build_map(videos, method="pca")

# %% [markdown]
# ## How good is it?
#
# Frames that were never indexed, half a second off those that were, are the queries: how often does the video that a
# frame was taken from come first? With other videos of the same sort the figure would lie in the interval (95%, by
# bootstrap); it resamples videos, since frames of one are alike.

# %%
import av
import numpy as np

shares = []
for path in sorted(folder.glob("data/videos/*.mp4")):
    with av.open(str(path)) as video:
        frames = [frame.to_image() for frame in video.decode(video=0) if frame.time % 1 == 0.5]
    stills = [folder / f"{path.stem}-{number}.png" for number in range(len(frames))]
    for still, frame in zip(stills, frames, strict=True):
        frame.save(still)
    shares.append(np.mean([result[0].key == path.name for result in videos.search(stills, limit=1)]))
draws = np.random.default_rng(0).choice(shares, (2000, len(shares))).mean(axis=1)
low, high = np.quantile(draws, [0.025, 0.975])
print(f"of the unseen frames, found in their video: {np.mean(shares):.2f}, between {low:.2f} and {high:.2f}")
assert abs(np.mean(shares) - 0.97) < 0.03

# %% [markdown]
# ## Change this
#
# - your own videos: `source: {type: folder, path: /where/they/are}`;
# - a frame for each scene in place of one a second: `keyframes: scene`;
# - another encoder of pictures behind `image:`; with `{type: clip}` videos are found by sentences, too;
# - `match: best` orders videos by their best moment alone.

# %% [markdown]
# ## Clean up
#
# `close` ends the two embedded stores; what they kept lies in the temporary folder.

# %%
videos.close()
temporary.cleanup()
