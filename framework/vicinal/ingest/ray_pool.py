"""The workers of a run on a Ray cluster: started, sent batches, and replaced where one is lost.

They are actors, since each loads the encoder once and may hold a GPU. Ray restarts none of them and repeats no call:
who sent a batch to a worker that is lost decides what becomes of it, and any other worker that is free may get it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vicinal.config.ray_config import RayConfig
from vicinal.errors import PluginError, VicinalError
from vicinal.ingest.changes import Change
from vicinal.ingest.ray_session import RaySession
from vicinal.ingest.ray_worker import EncodedChanges, EncodeWorker, WorkerSettings
from vicinal.ingest.worker_group import WorkerGroup

__all__ = ["BATCHES_PER_WORKER", "RayWorkerPool", "WorkerLostError"]

BATCHES_PER_WORKER = 2
"""Batches that a worker has at once: it decodes one while it encodes the other."""
_MAX_CONSECUTIVE_LOSSES = 20
"""After so many losses without a batch that was encoded, the cluster or the encoder is at fault."""
_POLL_SECONDS = 0.5


class WorkerLostError(Exception):
    """A worker died, or its machine did, while it had a batch."""


@dataclass(eq=False, slots=True)
class _Worker:
    actor: Any
    batches: int | None = None
    """How many it has; None until it has made its encoder."""


class RayWorkerPool:
    """The workers; each batch in flight has a thread that calls ``encode``."""

    def __init__(self, session: RaySession, config: RayConfig, settings: WorkerSettings, group: WorkerGroup) -> None:
        """Start the workers, without waiting for them.

        Raises:
            VicinalError: the cluster has no room for one, and ``ingest.ray.workers`` is ``auto``.
        """
        self._ray = session.ray
        self._config = config
        self._group = group
        self._settings = self._ray.put(settings)
        self._changed = threading.Condition()
        """Held while workers and what they have are read or changed."""
        self._workers: set[_Worker] = set()
        self._losses = 0
        """Workers that were lost since one has last encoded something."""
        self._waiting_since = time.monotonic()
        self.size = self._count_workers() if config.workers == "auto" else config.workers
        for _ in range(self.size):
            self._start_worker()

    def close(self) -> None:
        """End all workers, whatever they do."""
        with self._changed:
            workers, self._workers = self._workers, set()
        for worker in workers:
            self._ray.kill(worker.actor)

    def encode(self, changes: Sequence[Change], has_succeeded: bool, *, alone: bool) -> EncodedChanges | None:
        """Have a worker decode and encode, one that has nothing else if ``alone``. None where the run has ended.

        Raises:
            WorkerLostError: it was lost.
            VicinalError: no worker is ready in time.
            Exception: the encoder's own error.
        """
        if (worker := self._acquire_worker(alone=alone)) is None:
            return None
        try:
            encoded = self._wait_for_result(_send_changes(worker, changes, has_succeeded))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            self._replace_worker(worker, error)
            raise WorkerLostError from error
        finally:
            self._release_worker(worker, alone=alone)
        self._losses = 0
        return encoded

    # --- how it works

    def _count_workers(self) -> int:
        available = self._ray.cluster_resources()
        rooms = [int(available.get(name, 0) / amount) for name, amount in self._list_needs().items() if amount]
        if not (count := min(rooms)):
            raise VicinalError(
                f"no worker fits into the Ray cluster: {self._describe_needs()}",
                hint="see ingest.ray; where the cluster adds nodes on demand, set ingest.ray.workers to a number",
            )
        return count

    def _list_needs(self) -> dict[str, float]:
        return {"CPU": self._config.num_cpus, "GPU": self._config.num_gpus, **self._config.resources}

    def _describe_needs(self) -> str:
        needs = {name: amount for name, amount in self._list_needs().items() if amount}
        available = self._ray.cluster_resources()
        wanted = ", ".join(f"{name} {amount:g}" for name, amount in needs.items())
        return f"one needs {wanted}; the cluster has " + ", ".join(
            f"{name} {available.get(name, 0):g}" for name in needs
        )

    def _start_worker(self) -> None:
        """Start a worker; a thread waits until it is ready, which may be never, and then offers it."""
        actor = (
            self._ray.remote(EncodeWorker)
            .options(
                num_cpus=self._config.num_cpus,
                num_gpus=self._config.num_gpus,
                resources=self._config.resources or None,
                max_concurrency=BATCHES_PER_WORKER,
                scheduling_strategy="SPREAD",
            )
            .remote()
        )
        worker = _Worker(actor)
        with self._changed:
            self._workers.add(worker)
        threading.Thread(target=self._await_worker, args=(worker,), name="vicinal-ray-start", daemon=True).start()

    def _await_worker(self, worker: _Worker) -> None:
        try:
            self._ray.get(worker.actor.prepare.remote(self._settings))
        except self._ray.exceptions.RayTaskError as error:
            self._group.fail(error.cause)
        except self._ray.exceptions.RayError as error:
            if getattr(error, "actor_init_failed", False):
                self._group.fail(_import_error(error))
            else:
                self._replace_worker(worker, error)
        else:
            with self._changed:
                worker.batches = 0
                self._changed.notify_all()

    def _replace_worker(self, worker: _Worker, error: BaseException) -> None:
        """Start another worker in place of one that is lost; each call that it had comes here."""
        with self._changed:
            if worker not in self._workers:
                return
            self._workers.discard(worker)
            self._losses += 1
            self._waiting_since = time.monotonic()
        if self._losses > _MAX_CONSECUTIVE_LOSSES:
            self._group.fail(
                VicinalError(
                    f"{self._losses} workers were lost one after the other, and nothing was encoded between: {error}",
                    hint="a worker may lack memory for the encoder; `ray status` and Ray's logs tell more",
                )
            )
        else:
            self._start_worker()

    def _acquire_worker(self, *, alone: bool) -> _Worker | None:
        """Wait for a worker that has room; None where the run has ended."""
        with self._changed:
            while not self._group.stopped:
                if (worker := self._find_worker(0 if alone else BATCHES_PER_WORKER - 1)) is not None:
                    worker.batches = BATCHES_PER_WORKER if alone else (worker.batches or 0) + 1
                    return worker
                self._require_ready()
                self._changed.wait(_POLL_SECONDS)
        return None

    def _find_worker(self, max_batches: int) -> _Worker | None:
        """The worker that has fewest batches, at most so many."""
        ready = [worker for worker in self._workers if worker.batches is not None and worker.batches <= max_batches]
        return min(ready, key=lambda worker: worker.batches or 0, default=None)

    def _release_worker(self, worker: _Worker, *, alone: bool) -> None:
        with self._changed:
            worker.batches = 0 if alone else (worker.batches or 1) - 1
            self._changed.notify_all()

    def _require_ready(self) -> None:
        """Check that a worker is ready, or has time left until it must be.

        Raises:
            VicinalError: none was ready in time.
        """
        has_ready = any(worker.batches is not None for worker in self._workers)
        if not has_ready and time.monotonic() - self._waiting_since > self._config.start_timeout:
            raise VicinalError(
                f"no worker was ready within {self._config.start_timeout:g} s: {self._describe_needs()}",
                hint="`ray status` shows what the cluster waits for; see ingest.ray, start_timeout among it",
            )

    def _wait_for_result(self, reference: Any) -> EncodedChanges | None:
        """Wait for a worker's result; None where the run has failed meanwhile, so that nobody wants it."""
        while not self._ray.wait([reference], timeout=_POLL_SECONDS)[0]:
            if self._group.error is not None:
                return None
        encoded: EncodedChanges = self._ray.get(reference)
        return encoded


def _send_changes(worker: _Worker, changes: Sequence[Change], has_succeeded: bool) -> Any:
    """Send a worker changes; returns the reference of its result.

    Raises:
        PluginError: the items cannot be pickled.
    """
    try:
        return worker.actor.encode.remote(changes, has_succeeded)
    except TypeError as error:
        raise PluginError(
            f"items of the source cannot be sent to the workers of ingest.engine: ray: {str(error).splitlines()[0]}",
            hint="Item.content and Item.metadata must be values that can be pickled",
        ) from error


def _import_error(error: BaseException) -> PluginError:
    """What to say of a worker that cannot import vicinal; Ray's own message ends with the reason."""
    reason = str(error).rstrip().splitlines()[-1]
    return PluginError(
        f"vicinal cannot be imported on a worker of the Ray cluster: {reason}",
        hint="install vicinal, its plugins and their models on all nodes, in the same versions as here",
    )
