"""Simulations side by side, at most one per processor at a time, with a progress bar."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

from kthena.cli import terminal
from kthena.cli.faults import Refused
from kthena.cli.progress import Progress
from kthena.errors import KthenaError
from kthena.simulation import Simulation


class Job:
    """A simulation that exists from the start, so that what is wrong with it is known before any runs."""

    def __init__(self, label: str, simulation: Simulation) -> None:
        self.label = label
        self.simulation = simulation

    @property
    def total(self) -> int:
        return self.simulation.progress()[1]

    def ended(self) -> int:
        return self.simulation.progress()[0]

    def run(self, stop: threading.Event) -> None:
        _advance(self.simulation, stop)


class LateJob:
    """One of many: it is made when its turn comes, and of it only `total` of the report stays."""

    def __init__(self, label: str, make: Callable[[], Simulation], total: int) -> None:
        self.label = label
        self.total = total
        self.measured: dict[str, Any] | None = None
        self._make = make
        self._simulation: Simulation | None = None

    def ended(self) -> int:
        simulation = self._simulation
        if simulation is not None:
            return simulation.progress()[0]
        return 0 if self.measured is None else self.total

    def run(self, stop: threading.Event) -> None:
        if stop.is_set():
            return
        simulation = self._simulation = self._make()
        if _advance(simulation, stop):
            self.measured = simulation.report()["total"]
        self._simulation = None


def _advance(simulation: Simulation, stop: threading.Event) -> bool:
    """True at the end, False where it was stopped before."""
    while not stop.is_set():
        if simulation.advance(Simulation.EVENTS_PER_STEP):
            return True
    return False


def run_jobs(jobs: Sequence[Job | LateJob]) -> None:
    """All to the end, in the order given."""
    progress = Progress(sum(job.total for job in jobs), "requests")
    stop = threading.Event()
    pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, len(jobs)))
    try:
        futures: dict[Future[None], str] = {pool.submit(job.run, stop): job.label for job in jobs}
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            ended = sum(job.ended() for job in jobs)
            running = [label for future, label in futures.items() if future.running()]
            progress.update(ended, terminal.printable(", ".join(running)))
    except KthenaError as error:
        raise Refused([str(error)], exit_code=1) from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        progress.close()
