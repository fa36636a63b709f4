"""What Redis takes of many items: memory for metadata and ledger, and the time in which hits get their metadata.

Records as those of pictures in folders are written as an ingest writes them, 1,000 at once, with no vectors. What an
item takes depends on how many are in its bucket, so that a million items in a tenth of the buckets (``--as-of
10000000``) take as much each as ten million do. Printed are

own bytes                an item's record and its ledger entry, packed
memory                   bytes that Redis uses for an item, and times its own bytes
written                  items a second, begin and commit
ten records              milliseconds in which a search gets the records of ten hits: median, and 99th percentile
in Redis                 microseconds of those that its scripts take by its own account, on all shards together

Redis is the embedded one, in a temporary folder, unless ``--redis`` names another; that one is emptied of its solution
afterwards. One with Redis' own settings keeps a bucket whose values are longer than 64 bytes unpacked.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import common
from common import SEED, Results, temporary_folder
from vicinal.stores.key_names import BUCKETS
from vicinal.stores.records import Entry, Record
from vicinal.stores.redis import MetadataStore

BATCH, LOOKUPS, HITS = 1_000, 3_000, 10
_ID_BITS = 63
_BUCKET_BITS = 16


def main() -> None:
    parser = common.create_parser(__doc__)
    parser.add_argument("--items", type=int, default=1_000_000, metavar="N", help="(1,000,000)")
    parser.add_argument("--as-of", type=int, metavar="N", help="as close to each other as N items (--items)")
    parser.add_argument("--redis", metavar="URL", help="a Redis in place of an embedded one")
    options = parser.parse_args()
    results = Results(options.json)
    as_of = max(options.as_of or 0, options.items)
    with temporary_folder() as where, MetadataStore("scale", options.redis or str(where / "redis")) as store:
        try:
            rows = measure(store, options.items, as_of)
        finally:
            store.drop()
    results.add("redis_scale", f"{options.items:,} items as close as {as_of:,}", rows)
    results.print()


def measure(store: MetadataStore, items: int, as_of: int) -> list[dict[str, object]]:
    """Write the items, and look some of them up."""
    empty = read_settled_bytes(store)
    ids = iter_ids(as_of // items)
    known: list[int] = []
    own = 0
    started = time.perf_counter()
    for first in range(0, items, BATCH):
        batch = list(islice(ids, min(BATCH, items - first)))
        own += write_batch(store, batch, first)
        known += batch[:10]
    written = items / (time.perf_counter() - started)
    used = read_settled_bytes(store) - empty
    before = read_script_microseconds(store)
    times = measure_lookups(store, known)
    in_redis = (read_script_microseconds(store) - before) / LOOKUPS
    ten_million = used / items * 10_000_000 / 1e9
    return [
        {
            "own bytes": round(own / items),
            "memory": round(used / items),
            "times": round(used / own, 2),
            "ten million GB": round(ten_million, 2),
            "written": f"{written:,.0f}",
            "ten records ms": f"{times[len(times) // 2]:.2f}",
            "p99 ms": f"{times[int(len(times) * 0.99)]:.2f}",
            "in Redis µs": round(in_redis),
            "redis": store.version(),
        }
    ]


def iter_ids(share: int) -> Iterator[int]:
    """Random ids in every ``share``th bucket."""
    rng = random.Random(SEED)
    below = _ID_BITS - _BUCKET_BITS
    while True:
        yield rng.randrange(0, BUCKETS, share) << below | rng.getrandbits(below)


def write_batch(store: MetadataStore, ids: Sequence[int], first: int) -> int:
    """Write items as an ingest does, and return the bytes of what is kept of them."""
    records = {id_: make_record(first + number) for number, id_ in enumerate(ids)}
    entries = {id_: Entry(Entry.checksum(record.key), id_.to_bytes(12, "big"), 1, 1) for id_, record in records.items()}
    store.begin(records, {id_: entry.as_pending(None) for id_, entry in entries.items()})
    store.commit(entries)
    return sum(len(record.pack()) for record in records.values()) + sum(len(one.pack()) for one in entries.values())


def make_record(number: int) -> Record:
    """What is kept of a picture in a folder."""
    key = f"2024/{number % 366:03d}/IMG_{number:08d}.jpg"
    label = ("landscape", "portrait", "document")[number % 3]
    metadata = {"width": 4032, "height": 3024, "size": 2_000_000 + number, "label": label}
    return Record(key, Path("/data/pictures", key).as_uri(), None, metadata)


def measure_lookups(store: MetadataStore, known: Sequence[int]) -> list[float]:
    """The milliseconds of lookups of ten records each, sorted."""
    rng = random.Random(SEED)
    times = []
    for _ in range(LOOKUPS):
        ids = rng.sample(known, HITS)
        started = time.perf_counter()
        records = store.records(ids)
        times.append((time.perf_counter() - started) * 1e3)
        if None in records:
            raise SystemExit("a record is missing")
    return sorted(times)


def read_script_microseconds(store: MetadataStore) -> int:
    """How long the scripts took since Redis was started."""
    nodes = store.client.get_primaries() if store.is_cluster else [None]
    found = [store.call("info", "commandstats", **({"target_nodes": node} if node else {})) for node in nodes]
    return sum(info.get("cmdstat_eval", {"usec": 0})["usec"] for info in found)


def read_settled_bytes(store: MetadataStore) -> int:
    """The memory that Redis uses once it has written its file."""
    before = -1
    while before != (used := store.used_bytes() // 100_000):
        before = used
        time.sleep(1.5)
    return store.used_bytes()


if __name__ == "__main__":
    main()
