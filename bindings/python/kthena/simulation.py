"""What would a fleet do with these decisions? The simulator calls the same code as a router does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from kthena import _core
from kthena.routing import Document, _text


class Simulation:
    """One policy on one simulated fleet under one workload.

    `scenario`: docs/schemas/scenario.schema.json, as text or as a dict. `trace`: the text of the trace, where the
    scenario names one. Equal scenarios give equal reports, byte for byte.

    Threads: one at a time. All calls let other threads run, so several simulations run on several cores.
    """

    __slots__ = ("_simulation",)

    #: Events between two calls of `progress` in `run`: some tens of milliseconds.
    EVENTS_PER_STEP = 100_000

    def __init__(self, scenario: Document, trace: str | bytes = b"") -> None:
        self._simulation = _core.Simulation(_text(scenario), trace)

    def advance(self, max_events: int) -> bool:
        """Runs at most that many events. True once nothing is left."""
        return self._simulation.advance(max_events)

    def progress(self) -> tuple[int, int]:
        """Requests that have ended, over all runs, and how many there will be."""
        return self._simulation.progress()

    def run(self, progress: Callable[[int, int], None] | None = None) -> Simulation:
        """Runs to the end. `progress` is called with what `progress()` gives, now and then."""
        done = False
        while not done:
            done = self.advance(self.EVENTS_PER_STEP)
            if progress is not None:
                progress(*self.progress())
        return self

    def report(self) -> dict[str, Any]:
        """What happened (docs/simulator.md). Seconds are simulated seconds of a modelled engine."""
        document: dict[str, Any] = json.loads(self.report_json())
        return document

    def report_json(self) -> str:
        """The same as text."""
        return self._simulation.report_json()

    def requests_csv(self) -> str:
        """A row per request, with a header line."""
        return self._simulation.requests_csv()
