"""A report in the simulator's form with made-up numbers, for tests of what is drawn from one."""

from __future__ import annotations

import math
from typing import Any


def distribution(mean: float) -> dict[str, float]:
    return {"count": 100, "mean": mean, "p50": mean * 0.8, "p90": mean * 1.6, "p99": mean * 3, "max": mean * 4}


def report(
    throughput: float,
    ttft: float,
    swing: float,
    engines: int = 3,
    samples: int = 200,
    published: dict[str, float] | None = None,
) -> dict[str, Any]:
    """`swing`: how far the load of engines is from the mean, 0 .. 1."""
    run = {
        "requests": 100,
        "duration_s": 100 / throughput,
        "throughput_rps": throughput,
        "e2e_s": distribution(300 / throughput),
        "ttft_s": distribution(ttft),
        "tpot_s": distribution(0.1),
        "hit_ratio": 0.43,
        "load_max_over_mean": 1 + swing,
        "waited_for_poll": 0,
        "unroutable": 0,
        "preemptions": 0,
        "steps": 1000,
        "events": 4000,
    }
    running, waiting = [], []
    for sample in range(samples):
        for engine in range(engines):
            phase = 2 * math.pi * engine / engines + sample * 2.4
            total = round(100 * (1 + swing * math.sin(phase)))
            running.append(min(total, 150))
            waiting.append(max(total - 150, 0))
    return {
        "workload": "made up",
        "policy": "made up",
        "engine": "engine@made-up",
        "replicas": engines,
        "runs": [run, run],
        "total": {**run, "requests": 200},
        "engines": [{"endpoint": f"engine-{i}"} for i in range(engines)],
        "published": published,
        "ttft_cdf_s": [ttft * math.exp((k - 50) / 22) for k in range(101)],
        "load": {
            "at_ns": [sample * 2_700_000_000 for sample in range(samples)],
            "running": running,
            "waiting": waiting,
        },
    }


def nobody(*, null: bool) -> dict[str, Any]:
    """A report of a policy that served nobody; `null`: with null and not 0 for what was not measured."""
    made = report(1.0, 1.0, 0.0)
    none = None if null else 0
    for run in [made["total"], *made["runs"]]:
        run |= {"requests": 0, "throughput_rps": 0, "duration_s": 0, "unroutable": 100}
        run |= {"hit_ratio": none, "load_max_over_mean": none}
        for name in ("e2e_s", "ttft_s", "tpot_s"):
            run[name] = {"count": 0, **dict.fromkeys(("mean", "p50", "p90", "p99", "max"), none)}
    made["ttft_cdf_s"] = [] if null else [0.0] * 101
    return made
