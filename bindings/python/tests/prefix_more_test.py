"""What the prefix index does beside store, remove and find."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kthena
import numpy as np
import pytest


def make(*names: str, **options: Any) -> kthena.PrefixIndex:
    index = kthena.PrefixIndex(block_tokens=4, seed=7, **options)
    for name in names:
        index.add_worker(name)
    return index


def tokens(blocks: int, start: int = 0) -> list[int]:
    return list(range(start, start + 4 * blocks))


def names(blocks: int) -> list[int]:
    return list(range(1, blocks + 1))


def store(index: kthena.PrefixIndex, worker: int, blocks: int, tier: kthena.Tier = kthena.Tier.DEVICE) -> None:
    index.store(worker, tokens=tokens(blocks), engine_hashes=names(blocks), tier=tier)


def test_find_best() -> None:
    index = make("a", "b")
    store(index, 0, 8)
    store(index, 1, 2)
    query = index.query().extend(tokens(8))
    assert index.find_best(query, [5, 0]) == kthena.PrefixPick(worker=0, depth=8, cost=5)
    assert index.find_best(query, np.array([5, 0], np.uint32), block_cost=0) == (1, 2, 0)
    only_b = np.array([False, True])
    assert index.find_best(query, [5, 0], candidates=only_b, block_cost=100) == (1, 2, 600)
    assert index.find_best(query, [5, 0], candidates=np.zeros(0, np.uint64)) is None
    assert index.find_best(query, []) is None
    assert {index.find_best(query, [6, 0], tie_seed=seed).worker for seed in range(40)} == {0, 1}  # type: ignore[union-attr]
    with pytest.raises(TypeError):
        index.find_best(query, np.zeros(2, np.int64))  # type: ignore[arg-type]
    assert type(index.find_best(query, loads=[5, 0])) is kthena.PrefixPick
    with pytest.raises(kthena.InvalidArgumentError, match="block_cost"):
        index.find_best(query, [0], block_cost=-1)
    bad: list[Callable[[], object]] = [
        lambda: index.find_best(query),  # type: ignore[call-arg]
        lambda: index.find_best(query, [0], None),  # type: ignore[misc]
        lambda: index.find_best(query, [0], query=query),  # type: ignore[misc]
        lambda: index.find_best(None, [0]),  # type: ignore[arg-type]
        lambda: index.find_best(query, None),  # type: ignore[arg-type]
        lambda: index.find_best(query, [0], tie_seed="x"),  # type: ignore[arg-type]
    ]
    for call in bad:
        with pytest.raises(TypeError):
            call()


def test_find_tiers() -> None:
    index = make("a", "b")
    store(index, 0, 2)
    store(index, 0, 3, kthena.Tier.DISK)
    store(index, 1, 1, kthena.Tier.HOST)
    query = index.query().extend(tokens(4))
    rows = index.find_tiers(query)
    assert rows.dtype == np.uint32
    assert rows.tolist() == [[2, 0], [2, 1], [3, 1], [3, 1]]
    out = np.full((4, 3), 9, np.uint32)
    assert index.find_tiers(query, candidates=np.array([False, True]), out=out) is out
    assert out.tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="out has 3 rows, needs 4"):
        index.find_tiers(query, out=np.zeros((3, 2), np.uint32))
    with pytest.raises(ValueError, match="two dimensions"):
        index.find_tiers(query, out=np.zeros(8, np.uint32))


def test_find_batch() -> None:
    index = make("a", "b")
    store(index, 0, 5)
    store(index, 1, 2)
    long, short = index.query().extend(tokens(5)), index.query().extend(tokens(1))
    queries = [long, short, long] * 40
    assert index.find_batch(queries).tolist() == [[5, 2], [1, 1], [5, 2]] * 40
    out = np.full((2, 1), 9, np.uint32)
    assert index.find_batch(iter([short, long]), out=out) is out
    assert out.tolist() == [[1], [5]]
    assert index.find_batch([]).shape == (0, 2)
    assert index.find_batch([long], candidates=np.array([2], np.uint64)).tolist() == [[0, 2]]
    with pytest.raises(TypeError, match="each query must be"):
        index.find_batch([long, "x"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="out has 2 rows, needs 1"):
        index.find_batch([long], out=out)


def test_find_takes_what_it_says() -> None:
    """find() reads its arguments without pybind11."""
    index = make("a", "b")
    store(index, 0, 3)
    query = index.query().extend(tokens(3))
    assert index.find(query=query).tolist() == [3, 0]
    assert index.find(query, workers=None, candidates=None, out=None).tolist() == [3, 0]
    assert index.find(query, **{"".join(["out"]): np.zeros(2, np.uint32)}).tolist() == [3, 0]
    assert index.find(query, workers=(1, 0)).tolist() == [0, 3]
    strided = np.array([1, 7, 0, 7], np.uint32)[::2]
    with pytest.raises(ValueError, match="workers must be contiguous"):
        index.find(query, workers=strided)
    copied: np.ndarray[Any, np.dtype[np.uint32]] = pickle.loads(pickle.dumps(np.array([1, 0], np.uint32)))
    assert index.find(query, workers=copied).tolist() == [0, 3]
    big = np.zeros(2, ">u4")
    bad: list[Callable[[], object]] = [
        lambda: index.find(),  # type: ignore[call-arg]
        lambda: index.find(query, query),  # type: ignore[misc]
        lambda: index.find("query"),  # type: ignore[arg-type]
        lambda: index.find(index),  # type: ignore[arg-type]
        lambda: index.find(query, depth=3),  # type: ignore[call-arg]
        lambda: index.find(query, workers=1),  # type: ignore[arg-type]
        lambda: index.find(query, workers=["a"]),  # type: ignore[list-item]
        lambda: index.find(query, out=big),
        lambda: kthena.PrefixIndex.find(kthena.PrefixIndex.__new__(kthena.PrefixIndex), query),
        lambda: index.find(kthena.PrefixQuery.__new__(kthena.PrefixQuery)),
    ]
    for call in bad:
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError):
        index.find(query, workers=[-1])


def test_long_lookups_give_the_gil_away_and_the_same_answer() -> None:
    index = make("a")
    blocks = 5000
    store(index, 0, blocks)
    query = index.query().extend(tokens(blocks + 3))
    assert index.find(query).tolist() == [blocks]
    assert index.find_tiers(query).tolist() == [[blocks]] * 4
    assert index.find_best(query, [0]) == (0, blocks, 3)
    many = np.full(6000, 0, np.uint32)
    assert set(index.find(query, workers=many).tolist()) == {blocks}


def test_sweep() -> None:
    index = make("a", "b")
    store(index, 0, 300)
    store(index, 1, 2)
    assert index.worker_name(1) == "b"
    index.remove_worker(0)
    assert index.worker_name(0) is None
    assert index.stats().unswept_blocks == 300
    assert index.find(index.query().extend(tokens(300))).tolist() == [0, 2]
    steps = 0
    while index.sweep(64) and steps < 1000:
        steps += 1
    stats = index.stats()
    assert steps > 1 and stats.unswept_blocks == 0 and stats.sweeps == 1 and stats.runs == 1 and stats.memberships == 2


@pytest.mark.parametrize("shared", [False, True])
def test_stores_without_contents(shared: bool) -> None:
    index = make("a", "b", shared_engine_hashes=shared)
    store(index, 0, 2)
    index.store(0, engine_hashes=[1, 2, 99], tier=kthena.Tier.HOST)
    index.store(1, engine_hashes=[1, 2], tier=kthena.Tier.HOST)
    index.remove(0, engine_hashes=[1, 2])
    assert index.find(index.query().extend(tokens(2))).tolist() == [2, 2 if shared else 0]
    assert index.stats().unresolved_stores == (1 if shared else 3)


def test_expectations() -> None:
    index = make("a", max_expected_blocks=6, expected_ttl_ns=100)
    one, two = index.query().extend(tokens(4)), index.query().extend(tokens(4, 1000))
    index.expect(0, one, now_ns=1000)
    assert index.find(one).tolist() == [4]
    store(index, 0, 1)
    index.expect(0, two, now_ns=1050)
    assert index.find(one).tolist() == [3]
    assert index.expire(now_ns=1099, max_blocks=10) == 0
    assert index.expire(now_ns=1100, max_blocks=10) == 2
    assert index.find(one).tolist() == [1]
    stats = index.stats()
    assert (stats.expected_blocks, stats.promoted_blocks, stats.evicted_blocks, stats.expired_blocks) == (4, 1, 1, 2)
    with pytest.raises(KeyError):
        index.expect(9, one, now_ns=1)
    with pytest.raises(kthena.FailedPreconditionError):
        make("a").expect(0, one, now_ns=1)
    other = kthena.PrefixIndex(block_tokens=4, seed=8, max_expected_blocks=1)
    with pytest.raises(kthena.InvalidArgumentError):
        other.expect(other.add_worker("a"), one, now_ns=1)


def test_dump_and_load() -> None:
    index = make("a", "b", max_expected_blocks=10)
    index.store(0, tokens=tokens(9), engine_hashes=names(9), model="m")
    store(index, 1, 2, kthena.Tier.HOST)
    index.expect(1, index.query().extend(tokens(3)), now_ns=5)
    dump = index.dump()
    assert isinstance(dump, bytes)
    options = index.options()
    assert options.seed == 7 and options.max_orphan_blocks == 65536 and not options.shared_engine_hashes
    for given in (dump, bytearray(dump), memoryview(dump)):
        loaded = kthena.PrefixIndex.load(given, **options._asdict())
        assert loaded.dump() == dump
        assert loaded.find(loaded.query(model="m").extend(tokens(9))).tolist() == [9, 0]
        assert loaded.find(loaded.query().extend(tokens(9))).tolist() == [0, 3]
        loaded.store(0, tokens=tokens(10)[36:], engine_hashes=[10], parent=9, model="m")
        assert loaded.find(loaded.query(model="m").extend(tokens(10))).tolist() == [10, 0]
    with pytest.raises(kthena.FailedPreconditionError, match="block_tokens"):
        kthena.PrefixIndex.load(dump, seed=7)
    with pytest.raises(kthena.InvalidArgumentError, match=r"^byte "):
        kthena.PrefixIndex.load(dump[:60], **options._asdict())
    with pytest.raises(TypeError):
        kthena.PrefixIndex.load(np.zeros(4, np.uint32), **options._asdict())  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        kthena.PrefixIndex.load(dump, seed=7, block_tokens=0)


def test_events_of_a_worker() -> None:
    index = make("a")
    store(index, 0, 5)
    store(index, 0, 2, kthena.Tier.DISK)
    for tier in (kthena.Tier.DEVICE, kthena.Tier.DISK):
        index.remove(0, engine_hashes=[2], tier=tier)
    events = index.dump_events(0)
    assert events[0].kind == "cleared"
    assert {event.kind for event in events} == {"cleared", "stored", "removed"}
    assert any(event.kind == "stored" and event.contents is None for event in events)
    other = make("somebody", "a")
    other.store(1, tokens=tokens(3, 500), engine_hashes=names(3))
    for event in events:
        other.apply(event._replace(worker=1))
    assert other.find(other.query().extend(tokens(3, 500))).tolist() == [0, 0]
    query = other.query().extend(tokens(5))
    assert other.find(query).tolist() == [0, 1]
    other.store(1, tokens=tokens(2)[4:], engine_hashes=[2], parent=1)
    assert other.find(query).tolist() == [0, 5]
    with pytest.raises(KeyError):
        index.dump_events(9)
    with pytest.raises(ValueError, match="kind"):
        other.apply(events[0]._replace(kind="moved"))


def test_options_out_of_range() -> None:
    with pytest.raises(kthena.InvalidArgumentError) as refused:
        kthena.PrefixIndex(max_expected_blocks=2**32, expected_ttl_ns=-1)
    assert "max_expected_blocks" in str(refused.value) and "expected_ttl_ns" in str(refused.value)
    with pytest.raises(ValueError):
        kthena.PrefixIndex(max_orphan_blocks=2**32)


def test_lookups_beside_a_writer() -> None:
    blocks = 200
    index = make("steady", "busy")
    store(index, 0, blocks)
    query = index.query().extend(tokens(blocks))
    contents = index.hash_blocks(tokens(blocks))
    labels = np.arange(1, blocks + 1, dtype=np.uint64)
    stop = threading.Event()

    def write() -> None:
        step = 0
        while not stop.is_set():
            n = 1 + step % blocks
            index.store(1, contents=contents[:n], engine_hashes=labels[:n])
            index.remove(1, engine_hashes=labels[step % 7 : step % 7 + 1])
            guest = index.add_worker("guest")
            index.store(guest, contents=contents[:20], engine_hashes=labels[:20])
            index.remove_worker(guest)
            index.sweep(1000)
            step += 1

    def read() -> int:
        wrong = 0
        for _ in range(300):
            wrong += int(index.find(query)[0]) != blocks
            wrong += index.find(query, workers=[1, 0]).tolist()[1] != blocks
            wrong += index.find_batch([query, query])[:, 0].tolist() != [blocks] * 2
            wrong += index.find_tiers(query)[:, 0].tolist() != [blocks] * 4
            wrong += index.find_best(query, [0, blocks + 1]) != (0, blocks, 0)
            wrong += index.stats().workers not in (2, 3)
        return wrong

    with ThreadPoolExecutor(3) as threads:
        writer = threads.submit(write)
        readers = [threads.submit(read) for _ in range(2)]
        try:
            assert [reader.result() for reader in readers] == [0, 0]
        finally:
            stop.set()
        writer.result()


def test_contents_of_128_bits_and_copies() -> None:
    index = make("a", wide_contents=True, count_copies=True)
    lower, upper = index.hash_blocks(tokens(3)), index.hash_blocks_upper(tokens(3))
    assert lower.tolist() != upper.tolist()
    with pytest.raises(kthena.InvalidArgumentError, match="content_uppers"):
        index.store(0, engine_hashes=names(3), contents=lower)
    with pytest.raises(kthena.InvalidArgumentError, match="uppers: 1 for 3 contents"):
        index.store(0, engine_hashes=names(3), contents=lower, uppers=upper[:1])
    with pytest.raises(kthena.InvalidArgumentError, match="uppers are upper halves of contents"):
        index.store(0, engine_hashes=names(3), tokens=tokens(3), uppers=upper)
    index.store(0, engine_hashes=names(3), contents=lower, uppers=upper)
    index.store(0, engine_hashes=names(3), tokens=tokens(3))
    assert index.stats().copied_blocks == 3
    assert index.find(index.query().extend(tokens(3))).tolist() == [3]
    assert index.find(index.query().extend_contents(lower, upper)).tolist() == [3]
    assert index.find(index.query().extend_contents(lower, upper[[0, 2, 1]])).tolist() == [1]
    with pytest.raises(kthena.InvalidArgumentError, match="content_uppers"):
        index.query().extend_contents(lower)
    with pytest.raises(kthena.InvalidArgumentError, match="uppers: 2 for 3"):
        index.query().extend_contents(lower, upper[:2])
    stored = index.dump_events(0)[1]
    assert stored.uppers is not None and stored.uppers.tolist() == upper.tolist()
    other = make("a", wide_contents=True)
    for event in index.dump_events(0):
        other.apply(event)
    assert other.find(other.query().extend(tokens(3))).tolist() == [3]
    for depth in (3, 0):
        index.remove(0, engine_hashes=names(3))
        assert index.find(index.query().extend(tokens(3))).tolist() == [depth]
    assert index.options().wide_contents and index.options().count_copies
