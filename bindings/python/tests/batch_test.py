"""decide_many against single decisions."""

from __future__ import annotations

import threading
from typing import Any

import kthena
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st


def make_pool(endpoints: int) -> kthena.Pool:
    pool = kthena.Pool([f"pod-{i:04}" for i in reversed(range(endpoints))], [["m"]] * endpoints)
    load = np.array([kthena.random_u64(7, 0, i) % 12 for i in range(endpoints)], dtype=np.float64)
    pool.update(running=load, waiting=load, in_flight=load * 2, kv_usage=load / 20, ttft_s=load, sampled_ns=0)
    return pool


def one_by_one(
    policy: kthena.Policy,
    pool: kthena.Pool,
    ids: list[str],
    depths: npt.NDArray[np.uint32] | None = None,
    totals: list[int] | None = None,
    start: int = 0,
    **rest: Any,
) -> list[int]:
    found = []
    for i, id in enumerate(ids):
        row = None if depths is None else depths[i]
        total = 0 if totals is None else totals[i]
        decision = policy.decide(pool, id=id, prefix_depths=row, prefix_total=total, sequence=start + i, **rest)
        found.append(kthena.NO_ENDPOINT if decision.index is None else decision.index)
    return found


@given(
    preset=st.sampled_from(kthena.presets()),
    endpoints=st.sampled_from([0, 1, 3, 40, 300]),
    ids=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=6),
    data=st.data(),
)
def test_a_batch_is_many_single_decisions(preset: str, endpoints: int, ids: list[str], data: st.DataObject) -> None:
    policy, pool = kthena.Policy(preset), make_pool(endpoints)
    shape = (len(ids), endpoints)
    draws = [kthena.random_u64(data.draw(st.integers(0, 99)), 1, i) % 40 for i in range(shape[0] * shape[1])]
    depths = data.draw(st.sampled_from([None, np.array(draws, np.uint32).reshape(shape)]))
    totals = [data.draw(st.integers(0, 40)) for _ in ids]
    start = data.draw(st.integers(0, 2**64 - 8))
    rest: dict[str, Any] = {"model": data.draw(st.sampled_from(["", "m", "n"])), "now_ns": 5, "seed": 2**64 - 1}
    chosen = policy.decide_many(
        pool, ids=ids, prefix_depths=depths, prefix_totals=np.array(totals, np.uint32), sequence_start=start, **rest
    )
    assert chosen.dtype == np.uint32 and chosen.shape == (len(ids),)
    assert chosen.tolist() == one_by_one(policy, pool, ids, depths, totals, start, **rest)


@pytest.mark.parametrize("preset", kthena.presets())
def test_count_names_requests_by_their_sequence_number(preset: str) -> None:
    policy, pool = kthena.Policy(preset), make_pool(17)
    chosen = policy.decide_many(pool, count=50, sequence_start=98, seed=3)
    assert chosen.tolist() == one_by_one(policy, pool, [str(98 + i) for i in range(50)], start=98, seed=3)


def test_round_robin_and_nobody() -> None:
    policy = kthena.Policy("round-robin")
    pool = kthena.Pool(["c", "a", "b"])
    assert policy.decide_many(pool, count=5).tolist() == [1, 2, 0, 1, 2]
    assert policy.decide_many(pool, count=0).tolist() == []
    assert policy.decide_many(kthena.Pool([]), ids=("x", "y")).tolist() == [kthena.NO_ENDPOINT] * 2


def test_one_total_for_all() -> None:
    pool, depths = make_pool(3), np.array([[0, 0, 4], [4, 0, 0]], np.uint32)
    policy = kthena.Policy.from_json({"scorers": ["kvcache-aware"]})
    assert policy.decide_many(pool, count=2, prefix_depths=depths, prefix_totals=4).tolist() == [2, 0]


DEPTHS = np.zeros((2, 3), np.uint32)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "either ids or count"),
        ({"ids": ["a"], "count": 1}, TypeError, "either ids or count"),
        ({"ids": "ab"}, TypeError, "ids must be a sequence of str, not one str"),
        ({"ids": ["a", 1]}, TypeError, r"ids\[1\] must be str, not int"),
        ({"ids": 3}, TypeError, "iterable"),
        ({"ids": ["a", "\ud800"]}, ValueError, "surrogates"),
        ({"count": -1}, ValueError, "count must be in 0 .. 2"),
        ({"count": 2**31}, ValueError, "count must be in 0 .. 2"),
        ({"count": 1.0}, TypeError, "count must be int"),
        ({"count": 2, "sequence_start": 2**64 - 1}, ValueError, "the last sequence number"),
        ({"count": 2, "sequence_start": -1}, ValueError, "sequence_start must be in"),
        ({"count": 2, "now_ns": 2**63}, ValueError, "now_ns must be in"),
        ({"count": 2, "seed": 2**64}, ValueError, "seed must be in"),
        ({"count": 2, "prefix_depths": DEPTHS[0]}, ValueError, "prefix_depths must have two dimensions, not 1"),
        ({"count": 2, "prefix_depths": DEPTHS.T}, ValueError, "contiguous"),
        ({"count": 3, "prefix_depths": DEPTHS}, ValueError, "2 x 3 for 3 requests and 3 endpoints"),
        ({"count": 2, "prefix_depths": np.zeros((2, 4), np.uint32)}, ValueError, "2 x 4 for 2 requests"),
        ({"count": 2, "prefix_depths": DEPTHS.astype(np.int64)}, TypeError, "array of uint32, not of int64"),
        ({"count": 2, "prefix_depths": [[0, 0, 0]] * 2}, TypeError, "array of uint32, not list"),
        ({"count": 2, "prefix_totals": np.zeros(3, np.uint32)}, ValueError, "prefix_totals: 3 for 2 requests"),
        ({"count": 2, "prefix_totals": np.zeros(2)}, TypeError, "array of uint32, not of float64"),
        ({"count": 2, "prefix_totals": -1}, ValueError, "prefix_totals must be in"),
        ({"count": 2, "prefix_totals": np.array([1, 2**31], np.uint32)}, ValueError, "request 1: .*prefix_total"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kthena.Policy("kthena-default").decide_many(make_pool(3), **arguments)


def test_other_objects() -> None:
    others: list[Any] = [None, "pool", kthena.Policy("random")]
    for other in others:
        with pytest.raises(TypeError):
            kthena.Policy("random").decide_many(other, count=1)


@pytest.mark.parametrize("endpoints", [16, 300])
def test_a_batch_sees_one_state_and_blocks_nobody_for_good(endpoints: int) -> None:
    """All loads of a column are equal, so the hash decides in each state alike; a torn one would show. Single decisions
    and updates go on beside the batches."""
    pool, policy = make_pool(endpoints), kthena.Policy("kthena-2025-09/least-request")
    zeros = np.zeros(endpoints)
    pool.update(running=zeros, waiting=zeros, in_flight=zeros, sampled_ns=0)
    expected = policy.decide_many(pool, count=500).tolist()
    stop, updates = threading.Event(), 0
    faults: list[str] = []

    def update() -> None:
        nonlocal updates
        while not stop.is_set():
            updates += 1
            pool.update(running=np.full(endpoints, float(updates % 7)), sampled_ns=1)
            if policy.decide(pool, id="3", sequence=3).index != expected[3]:
                faults.append("single")

    threads = [threading.Thread(target=update) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            if policy.decide_many(pool, count=500).tolist() != expected:
                faults.append("batch")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == [] and updates > 0
