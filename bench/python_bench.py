#!/usr/bin/env python3
"""What a decision costs from Python, beside the cost of an empty call in the same run.

    python bench/python_bench.py [--repeat N]

Names are stable. A time is the least of N repeats of many calls, in ns; on a busy machine only ratios to the empty call
travel. `prefix depths given` hands over a numpy array of uint32; `pool update` replaces three columns.
A recorded batch of vLLM, one block of 32 tokens, is fed again and again.
"""

from __future__ import annotations

import argparse
import json
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import kthena
import numpy as np
import numpy.typing as npt
from kthena import engine

VECTORS = Path(__file__).parents[1] / "tests" / "vectors" / "engine"

Depths: TypeAlias = npt.NDArray[np.uint32]


def measure(call: Callable[[], object], repeat: int) -> float:
    """Many short samples: on a busy machine the least of them saw no other process."""
    timer = timeit.Timer(call)
    timer.timeit(100)
    number = max(int(1e-3 / (timer.timeit(100) / 100)), 1)
    return min(timer.repeat(repeat=repeat, number=number)) / number * 1e9


def make_pool(endpoints: int) -> kthena.Pool:
    pool = kthena.Pool([f"pod-{i:04}" for i in range(endpoints)])
    load = np.array([kthena.random_u64(1, 0, i) % 50 for i in range(endpoints)], dtype=np.float64)
    pool.update(
        running=load,
        waiting=load * 0,
        in_flight=load,
        kv_usage=load / 100,
        ttft_s=load / 10,
        tpot_s=load / 1000,
        sampled_ns=0,
    )
    return pool


def benchmarks() -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {"BM_Python_EmptyCall": lambda: None}
    for preset in ("kthena-default", "random"):
        policy = kthena.Policy(preset)
        for endpoints in (16, 64, 1024):
            pool = make_pool(endpoints)
            depths = np.zeros(endpoints, dtype=np.uint32)
            depths[endpoints // 2] = 30

            def plain(policy: kthena.Policy = policy, pool: kthena.Pool = pool) -> object:
                return policy.decide(pool, id="request-1", model="m", now_ns=1, seed=1)

            def given(policy: kthena.Policy = policy, pool: kthena.Pool = pool, depths: Depths = depths) -> object:
                return policy.decide(
                    pool, id="request-1", model="m", prefix_depths=depths, prefix_total=32, sequence=7, now_ns=1, seed=1
                )

            found[f"BM_Python_Decide/{preset}/{endpoints}"] = plain
            found[f"BM_Python_DecideWithDepths/{preset}/{endpoints}"] = given
    policy, pool, requests = kthena.Policy("kthena-default"), make_pool(16), 256
    ids = [f"request-{i}" for i in range(requests)]
    rows = np.zeros((requests, 16), dtype=np.uint32)
    rows[:, 8] = 30
    found[f"BM_Python_DecideMany/{requests}x16"] = lambda: policy.decide_many(
        pool, ids=ids, model="m", now_ns=1, seed=1
    )
    found[f"BM_Python_DecideManyWithDepths/{requests}x16"] = lambda: policy.decide_many(
        pool, ids=ids, model="m", prefix_depths=rows, prefix_totals=32, now_ns=1, seed=1
    )
    found[f"BM_Python_DecideManyOneByOne/{requests}x16"] = lambda: [
        policy.decide(pool, id=ids[i], model="m", sequence=i, now_ns=1, seed=1).index for i in range(requests)
    ]
    decision = kthena.Policy("random").decide(make_pool(16), id="request-1")
    found["BM_Python_DecisionEndpoint"] = lambda: decision.endpoint
    found["BM_Python_DecisionRanked"] = lambda: decision.ranked
    large, column = make_pool(1024), np.ones(1024)
    found["BM_Python_PoolUpdate/1024"] = lambda: large.update(
        running=column, waiting=column, kv_usage=column, sampled_ns=1
    )
    found["BM_Python_PoolSet/1024"] = lambda: large.set("in_flight", 30, 3, sampled_ns=1)
    found["BM_Python_PoolSet/16"] = lambda: pool.set("in_flight", 3, 3, sampled_ns=1)
    index = kthena.PrefixIndex(seed=1)
    tokens = np.arange(272 * 16, dtype=np.uint32)
    for worker in range(16):
        names = np.arange(1, 273, dtype=np.uint64)
        index.store(index.add_worker(f"pod-{worker:04}"), tokens=tokens, engine_hashes=names)
    query, out = index.query().extend(tokens), np.zeros(16, dtype=np.uint32)
    tiers, rows_out = np.zeros((4, 16), dtype=np.uint32), np.zeros((32, 16), dtype=np.uint32)
    workers = index.workers(f"pod-{worker:04}" for worker in range(16))
    found["BM_Python_PrefixFind/272x16"] = lambda: index.find(query, workers=workers, out=out)
    found["BM_Python_PrefixFindAll/272x16"] = lambda: index.find(query, out=out)
    found["BM_Python_PrefixFindBest/272x16"] = lambda: index.find_best(query, out)
    found["BM_Python_PrefixFindTiers/272x16"] = lambda: index.find_tiers(query, out=tiers)
    found["BM_Python_PrefixFindBatch/32x272x16"] = lambda: index.find_batch([query] * 32, out=rows_out)
    parser = engine.MetricsParser("vllm")
    page = (VECTORS / "vllm_busy.txt").read_bytes()
    before, now = parser.parse(page, sampled_ns=1), parser.parse(page, sampled_ns=2)
    found["BM_Python_ParseMetrics/vllm"] = lambda: parser.parse(page, sampled_ns=1)
    found["BM_Python_Interval/vllm"] = lambda: engine.interval(before, now)
    batches = json.loads((VECTORS / "kv_batches.json").read_text(encoding="utf-8"))["cases"]
    recorded = bytes.fromhex(batches[0]["hex"])
    stream = engine.KvStream("vllm", worker=index.add_worker("pod-0000"))
    found["BM_Python_KvStreamFeed/recorded"] = lambda: stream.feed(recorded, index)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=200)
    repeat = parser.parse_args().repeat
    empty = 0.0
    print(f"{'benchmark':50} {'ns':>10} {'empty calls':>12}")
    for name, call in benchmarks().items():
        time = measure(call, repeat)
        empty = empty or time
        print(f"{name:50} {time:10,.0f} {time / empty:12.1f}")


if __name__ == "__main__":
    main()
