from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kthena
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def u64(*values: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    return np.array(values, dtype=np.uint64)


@pytest.fixture
def index() -> kthena.PrefixIndex:
    return kthena.PrefixIndex(block_tokens=4, seed=7)


def test_who_holds_how_much(index: kthena.PrefixIndex) -> None:
    tokens = np.arange(12, dtype=np.uint32)
    a, b = index.add_worker("pod-a"), index.add_worker("pod-b")
    index.store(a, tokens=tokens, engine_hashes=u64(1, 2, 3), model="m")
    index.store(b, tokens=tokens[:4], engine_hashes=[1], model="m")
    query = index.query(model="m").extend(tokens).extend([99])
    assert query.blocks == 3
    assert repr(query) == "<kthena.PrefixQuery of 3 blocks>"
    assert list(index.find(query)) == [3, 1]
    assert index.find(query).dtype == np.uint32
    assert list(index.find(query, workers=[b, kthena.NO_WORKER, a])) == [1, 0, 3]
    pool = kthena.Pool(["pod-b", "pod-x", "pod-a"])
    workers = index.workers(pool.ids)
    assert list(workers) == [b, kthena.NO_WORKER, a]
    depths = index.find(query, workers=workers)
    policy = kthena.Policy("kthena-2025-09/least-request+kv")
    pool.update(running=[0, 0, 0], waiting=[0, 0, 0], sampled_ns=0)
    assert policy.decide(pool, id="x", prefix_depths=depths, prefix_total=query.blocks).endpoint == "pod-a"


def test_removal_makes_a_hole_and_storing_heals_it(index: kthena.PrefixIndex) -> None:
    worker = index.add_worker("w")
    contents = index.hash_blocks(list(range(12)))
    index.store(worker, contents=contents, engine_hashes=u64(1, 2, 3))
    query = index.query().extend_contents(contents)
    index.remove(worker, engine_hashes=[2])
    assert list(index.find(query)) == [1]
    index.store(worker, contents=contents[1:2], engine_hashes=[2], parent=1)
    assert list(index.find(query)) == [3]
    index.clear(worker)
    assert list(index.find(query)) == [0]


def test_tiers_are_counted_apart(index: kthena.PrefixIndex) -> None:
    worker = index.add_worker("w")
    index.store(worker, tokens=[1, 2, 3, 4], engine_hashes=[1])
    index.store(worker, tokens=[1, 2, 3, 4], engine_hashes=[1], tier=kthena.Tier.HOST)
    index.remove(worker, engine_hashes=[1])
    query = index.query().extend([1, 2, 3, 4])
    assert list(index.find(query)) == [1]
    index.remove(worker, engine_hashes=[1], tier=kthena.Tier.HOST)
    assert list(index.find(query)) == [0]


def test_namespaces_never_match(index: kthena.PrefixIndex) -> None:
    worker = index.add_worker("w")
    tokens = [1, 2, 3, 4]
    index.store(worker, tokens=tokens, engine_hashes=[1], model="m", adapter="lora", tenant="t")
    for space, depth in (
        ({"model": "m", "adapter": "lora", "tenant": "t"}, 1),
        ({"model": "m", "adapter": "lora"}, 0),
        ({"model": "m", "tenant": "t"}, 0),
        ({"model": "n", "adapter": "lora", "tenant": "t"}, 0),
        ({}, 0),
    ):
        assert list(index.find(index.query(**space).extend(tokens))) == [depth]


def test_workers_come_and_go(index: kthena.PrefixIndex) -> None:
    assert index.worker_limit == 0
    assert index.find_worker("w") is None
    worker = index.add_worker("w")
    assert index.add_worker("w") == worker == index.find_worker("w")
    assert index.worker_limit == worker + 1
    index.store(worker, tokens=[1, 2, 3, 4], engine_hashes=[1])
    assert index.stats().memberships == 1 and index.stats().workers == 1
    index.remove_worker(worker)
    assert index.find_worker("w") is None
    stats = index.stats()
    assert stats.memberships == 0 and stats.unique_blocks == 0 and stats.workers == 0
    with pytest.raises(KeyError):
        index.remove_worker(worker)
    with pytest.raises(ValueError):
        index.add_worker("")
    small = kthena.PrefixIndex(max_workers=1, seed=0)
    small.add_worker("a")
    with pytest.raises(kthena.ResourceExhaustedError) as refused:
        small.add_worker("b")
    assert refused.value.code is kthena.StatusCode.RESOURCE_EXHAUSTED


def test_out_is_filled_in_place(index: kthena.PrefixIndex) -> None:
    worker = index.add_worker("w")
    index.store(worker, tokens=[1, 2, 3, 4], engine_hashes=[1])
    query = index.query().extend([1, 2, 3, 4])
    out = np.full(1, 9, dtype=np.uint32)
    assert index.find(query, out=out) is out and list(out) == [1]
    longer = np.full(3, 9, dtype=np.uint32)
    assert list(index.find(query, out=longer)) == [1, 0, 0]
    assert list(index.find(query, out=np.zeros(0, np.uint32))) == []
    for bad, error in (
        (np.zeros(1, np.int32), TypeError),
        (np.zeros((1, 1), np.uint32), ValueError),
        (np.zeros(4, np.uint32)[::2], ValueError),
        ([0], TypeError),
    ):
        with pytest.raises(error):
            index.find(query, out=bad)  # type: ignore[arg-type]
    frozen = np.zeros(1, np.uint32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        index.find(query, out=frozen)
    with pytest.raises(ValueError):
        index.find(query, workers=[worker], out=longer)


def test_candidates(index: kthena.PrefixIndex) -> None:
    workers = [index.add_worker(f"w{i}") for i in range(70)]
    for worker in workers:
        index.store(worker, tokens=[1, 2, 3, 4], engine_hashes=[1])
    query = index.query().extend([1, 2, 3, 4])
    chosen = np.zeros(70, dtype=np.bool_)
    chosen[[3, 64, 69]] = True
    assert list(np.nonzero(index.find(query, candidates=chosen))[0]) == [3, 64, 69]
    assert list(np.nonzero(index.find(query, candidates=u64(1 << 3, 1 | 1 << 5)))[0]) == [3, 64, 69]
    with pytest.raises(ValueError, match="not both"):
        index.find(query, workers=[0], candidates=chosen)
    with pytest.raises(TypeError):
        index.find(query, candidates=[1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"block_tokens": 0}, ValueError),
        ({"block_tokens": 65537}, ValueError),
        ({"max_workers": 0}, ValueError),
        ({"max_workers": 16385}, ValueError),
        ({"max_orphan_blocks": 0}, ValueError),
        ({"seed": -1}, TypeError),
        ({"seed": "secret"}, TypeError),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        kthena.PrefixIndex(**options)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"engine_hashes": [1], "tokens": [1, 2, 3, 4], "contents": [1]}, ValueError),
        ({"engine_hashes": [1, 2], "tokens": [1, 2, 3, 4]}, ValueError),
        ({"engine_hashes": [1], "tokens": [1, 2, 3]}, ValueError),
        ({"engine_hashes": [1], "contents": [1, 2]}, ValueError),
        ({"engine_hashes": [1], "tokens": [-1, 2, 3, 4]}, ValueError),
        ({"engine_hashes": [1], "tokens": [2**32, 2, 3, 4]}, ValueError),
        ({"engine_hashes": [1], "tokens": [1.5, 2, 3, 4]}, TypeError),
        ({"engine_hashes": [1], "tokens": np.zeros(4, np.int64)}, TypeError),
        ({"engine_hashes": np.zeros(1, np.int64), "contents": [1]}, TypeError),
        ({"engine_hashes": [1], "contents": [1], "tier": 9}, ValueError),
    ],
)
def test_bad_stores_change_nothing(
    index: kthena.PrefixIndex, arguments: dict[str, Any], error: type[Exception]
) -> None:
    worker = index.add_worker("w")
    with pytest.raises(error):
        index.store(worker, **arguments)
    assert index.stats().memberships == 0


def test_unknown_workers(index: kthena.PrefixIndex) -> None:
    calls: list[Callable[[], None]] = [
        lambda: index.store(5, tokens=[1, 2, 3, 4], engine_hashes=[1]),
        lambda: index.remove(5, engine_hashes=[1]),
        lambda: index.clear(5),
    ]
    for call in calls:
        with pytest.raises(KeyError):
            call()


def test_query_errors(index: kthena.PrefixIndex) -> None:
    query = index.query().extend([1])
    with pytest.raises(kthena.FailedPreconditionError):
        query.extend_contents([1])
    query.clear()
    assert query.extend_contents(u64(1)).blocks == 1
    with pytest.raises(TypeError):
        query.extend(np.zeros(4, np.int64))
    with pytest.raises(TypeError):
        query.extend(["a"])  # type: ignore[list-item]


def test_a_seed_from_the_system_gives_other_hashes_and_equal_depths() -> None:
    depths, hashes = [], []
    for _ in range(2):
        index = kthena.PrefixIndex(block_tokens=4)
        index.store(index.add_worker("w"), tokens=[1, 2, 3, 4], engine_hashes=[1])
        depths.append(list(index.find(index.query().extend([1, 2, 3, 4]))))
        hashes.append(list(index.hash_blocks([1, 2, 3, 4])))
    assert depths == [[1], [1]]
    assert hashes[0] != hashes[1]


operations = st.lists(
    st.tuples(
        st.sampled_from(["store", "remove", "clear"]), st.integers(0, 2), st.lists(st.integers(0, 2), max_size=5)
    ),
    max_size=30,
)


@settings(deadline=None)
@given(operations, st.lists(st.integers(0, 2), max_size=6))
def test_depths_are_those_of_sets_of_prefixes(steps: list[tuple[str, int, list[int]]], prompt: list[int]) -> None:
    """The oracle: a worker holds full prefixes of symbols; no hashes."""
    index = kthena.PrefixIndex(block_tokens=1, seed=3)
    workers = [index.add_worker(f"w{i}") for i in range(3)]
    held: list[set[tuple[int, ...]]] = [set() for _ in workers]

    def name(prefix: tuple[int, ...]) -> int:
        return int("1" + "".join(map(str, prefix)), 4)

    for what, worker, symbols in steps:
        prefixes = [tuple(symbols[: i + 1]) for i in range(len(symbols))]
        names = [name(prefix) for prefix in prefixes]
        if what == "store":
            index.store(worker, tokens=symbols, engine_hashes=names)
            held[worker] |= set(prefixes)
        elif what == "remove":
            index.remove(worker, engine_hashes=names[-1:])
            held[worker] -= set(prefixes[-1:])
        else:
            index.clear(worker)
            held[worker].clear()
    query = index.query().extend(prompt)
    for worker, depth in zip(workers, index.find(query), strict=True):
        expected = 0
        while expected < len(prompt) and tuple(prompt[: expected + 1]) in held[worker]:
            expected += 1
        assert depth == expected
