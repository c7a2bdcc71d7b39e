from __future__ import annotations

import json
import math
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kthena
import numpy as np
import pytest
import vectors
from kthena import engine
from msgpack_writer import batch, removed, stored

PAGES, BATCHES = (
    json.loads((vectors.ENGINE / name).read_text(encoding="utf-8"))["cases"]
    for name in ("metrics.json", "kv_batches.json")
)


check_schema = vectors.schema_checker()


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


def check_histogram(histogram: engine.Histogram | None, want: dict[str, Any] | None) -> None:
    if want is None:
        assert histogram is None
        return
    assert histogram is not None
    assert histogram.bounds.dtype == histogram.cumulative.dtype == np.float64
    assert histogram.bounds.tolist() == [math.inf if bound is None else bound for bound in want["bounds"]]
    assert histogram.cumulative.tolist() == want["cumulative"]
    assert histogram.count == want["count"]
    assert math.isnan(histogram.sum) if want["sum"] is None else histogram.sum == want["sum"]


@pytest.mark.parametrize("case", PAGES, ids=name_of)
def test_pages(case: dict[str, Any]) -> None:
    text = (vectors.ENGINE / case["file"]).read_bytes() if "file" in case else case["text"]
    want = case["expect"]
    sample = engine.parse_metrics(text, case["profile"], sampled_ns=12345, model=case["model"])
    assert sample.sampled_ns == 12345
    assert sample.published == want["signals"]
    for name in engine.LATENCIES:
        check_histogram(getattr(sample, name), want.get("latencies", {}).get(name))
    if "ranks" in want:
        assert list(sample.ranks) == sorted(int(rank) for rank in want["ranks"])
        for rank, signals in want["ranks"].items():
            found = sample.ranks[int(rank)].published
            assert {name: found.get(name) for name in signals} == signals
    if "adapters" in want:
        assert sample.adapters is not None
        assert sample.adapters.maximum == want["adapters"]["maximum"]
        assert list(sample.adapters.running) == want["adapters"]["running"]
        assert list(sample.adapters.waiting) == want["adapters"]["waiting"]
    else:
        assert sample.adapters is None
    assert list(sample.models) == want.get("models", [])
    counts = sample.counts
    for name in ("broken", "unusable", "other_models"):
        assert getattr(counts, name) == want.get("counts", {}).get(name, 0)
    for name in ("used", "other"):
        assert name not in want.get("counts", {}) or getattr(counts, name) == want["counts"][name]
    assert counts.lines == sum(counts) - counts.lines - counts.over_limits
    document = json.loads(sample.json())
    assert check_schema(document, "engine_sample") == []
    assert check_schema(json.loads(engine.interval(None, sample).json()), "engine_interval") == []
    assert document["signals"] == want["signals"]
    assert document["latencies"] == want.get("latencies", {})
    assert document["adapters"] == want.get("adapters")


@pytest.mark.parametrize("case", BATCHES, ids=name_of)
def test_batches(case: dict[str, Any]) -> None:
    payload = bytes.fromhex(case["hex"])
    index = kthena.PrefixIndex(block_tokens=2, seed=3)
    stream = engine.KvStream(case["profile"], worker=index.add_worker("w"))
    if "error" in case:
        with pytest.raises(kthena.InvalidArgumentError, match=r"^byte \d+: ") as refused:
            engine.decode_kv_events(payload, case["profile"])
        assert case["error"] in str(refused.value)
        with pytest.raises(kthena.InvalidArgumentError):
            stream.feed(payload, index)
        assert stream.info().malformed == 1
        return
    batch = engine.decode_kv_events(payload, case["profile"])
    assert check_schema(batch, "kv_batch") == []
    assert len(batch["events"]) == len(case["events"])
    for event, want in zip(batch["events"], case["events"], strict=True):
        assert event["kind"] == want["kind"]
        if want["kind"] == "cleared":
            continue
        assert event["hashes"] == want["hashes"]
        assert event["tier"] == want.get("tier", "device")
        assert event["group"] == want.get("group", 0)
        assert event["full_attention"] == want.get("full", True)
        if want["kind"] == "stored":
            for name in ("parent", "tokens", "block_tokens"):
                assert event[name] == want[name]
            assert event["lora_id"] == want.get("lora_id")
            assert event["lora_name"] == want.get("lora_name", "")
            assert event["salt"] == want.get("salt", "")
            assert [extra != 0 for extra in event["extras"]] == want.get("extras", [])
    assert batch["rank"] == case.get("rank")
    assert "timestamp" not in case or batch["timestamp_s"] == case["timestamp"]
    step = stream.feed(memoryview(payload), index)
    assert step.outcome == engine.KvOutcome.APPLIED
    for name in ("unknown_events", "unknown_fields", "unknown_media"):
        assert batch[name] == getattr(step, name) == case.get(name, 0)


def test_there_are_enough() -> None:
    assert len(PAGES) >= 30 and len(BATCHES) >= 140


def test_profiles() -> None:
    known = {profile.name: profile for profile in engine.profiles()}
    assert known["vllm"].kv_events and known["vllm"].ranks and known["vllm"].adapters
    assert not known["tgi"].kv_events
    assert known["vllm"].latencies == engine.LATENCIES
    assert set(known["vllm"].signals) <= set(engine.SIGNALS)
    with pytest.raises(kthena.NotFoundError, match="none is called 'VLLM'; there are vllm, vllm-v0, "):
        engine.MetricsParser("VLLM")
    with pytest.raises(kthena.FailedPreconditionError):
        engine.KvStream("tgi")


def page(finished: int, fast: int, slow: int, total_s: float) -> str:
    name = "vllm:time_to_first_token_seconds"
    return f"""vllm:num_requests_waiting{{engine="0"}} 3
vllm:request_success_total{{engine="0"}} {finished}
{name}_bucket{{engine="0",le="0.1"}} {fast}
{name}_bucket{{engine="0",le="0.5"}} {fast + slow}
{name}_bucket{{engine="0",le="+Inf"}} {fast + slow}
{name}_sum{{engine="0"}} {total_s}
{name}_count{{engine="0"}} {fast + slow}
"""


def test_an_interval() -> None:
    parser = engine.MetricsParser("vllm")
    before = parser.parse(page(100, 90, 10, 12), sampled_ns=10**9)
    now = parser.parse(page(110, 95, 15, 14).encode(), sampled_ns=3 * 10**9)
    between = engine.interval(before, now)
    assert between.elapsed_ns == 2 * 10**9 and not between.restarted
    assert between.growth == {"finished": 10}
    assert between.rate("finished") == 5
    assert math.isnan(between.rate("waiting"))
    assert between.ttft_s is not None and between.itl_s is None
    assert between.ttft_s.mean == pytest.approx(0.2)
    assert between.ttft_s.quantile(0.5) == pytest.approx(0.1)
    assert between.ttft_s.quantile(0.9) == pytest.approx(0.1 + 0.4 * 0.8)
    assert math.isnan(between.ttft_s.quantile(2))
    document = json.loads(between.json())
    assert document["latencies"]["ttft_s"]["p90"] == between.ttft_s.quantile(0.9)
    assert repr(between) == "<kthena.engine.EngineInterval of 2 s, {'finished': 10.0}>"

    back = engine.interval(now, before)
    assert back.restarted and back.growth == {"finished": 100}
    nothing = engine.interval(now, now)
    assert nothing.ttft_s is not None and nothing.ttft_s.count == 0 and math.isnan(nothing.ttft_s.mean)
    assert math.isnan(nothing.rate("finished"))
    since_start = engine.interval(None, now)
    assert since_start.growth == {"finished": 110} and since_start.elapsed_ns == 0


def test_what_is_missing_is_not_0() -> None:
    sample = engine.parse_metrics("vllm:num_requests_waiting 0\n", "vllm")
    assert sample.waiting == 0
    assert math.isnan(sample.running) and math.isnan(sample.ranks[0].running)
    assert sample.published == {"waiting": 0} and sample.sampled_ns is None and sample.ttft_s is None
    assert repr(sample) == "<kthena.engine.EngineSample of 1 ranks, {'waiting': 0.0}>"
    pool = kthena.Pool(["pod-a"])
    pool.set("running", 0, sample.running, sampled_ns=1)  # goes on as "not sampled"
    assert math.isnan(pool.signal("running")[0])


def test_bad_pages_and_arguments() -> None:
    with pytest.raises(kthena.InvalidArgumentError):
        engine.parse_metrics("<html>", "vllm")
    with pytest.raises(kthena.ResourceExhaustedError):
        engine.MetricsParser("vllm", max_bytes=5).parse("vllm:num_requests_waiting 0\n")
    with pytest.raises(kthena.InvalidArgumentError, match="max_ranks"):
        engine.MetricsParser("vllm", max_ranks=70000)
    with pytest.raises(TypeError):
        engine.parse_metrics(3, "vllm")  # type: ignore[arg-type]


@pytest.fixture
def index() -> kthena.PrefixIndex:
    return kthena.PrefixIndex(block_tokens=4)  # with a seed that nobody knows


def depth(index: kthena.PrefixIndex, tokens: list[int], model: str = "m") -> int:
    return int(index.find(index.query(model=model).extend(tokens))[0])


def frames(sequence: int, payload: bytes) -> list[bytes]:
    return [b"kv-events", struct.pack(">Q", sequence), payload]


def test_a_stream_in_order_again_behind_a_gap_replayed(index: kthena.PrefixIndex) -> None:
    tokens = list(range(100, 112))
    stream = engine.KvStream("vllm", worker=index.add_worker("pod-a"), model="m")
    assert stream.state == engine.KvState.WAITING
    first = batch(10, [stored([1, 2], tokens[:8])])
    step = stream.feed(frames(0, first), index)
    assert step.outcome == engine.KvOutcome.APPLIED and step.stored_blocks == 2 and step.replay is None
    assert depth(index, tokens) == 2 and depth(index, tokens, "another") == 0
    assert stream.feed(first, index, sequence=0).outcome == engine.KvOutcome.DUPLICATE

    second, third = batch(11, [stored([3], tokens[8:], parent=2)]), batch(12, [removed([2])])
    step = stream.feed(frames(2, third), index)
    assert step.outcome == engine.KvOutcome.HELD_BACK and step.state == engine.KvState.CATCHING_UP
    assert step.replay == engine.ReplayRequest(1, 2) == (1, 2)
    assert stream.feed_replay([b"", *frames(1, second)[1:]], index).stored_blocks == 1
    assert depth(index, tokens) == 3
    assert stream.feed_replay(third, index, sequence=2).removed_blocks == 1
    assert stream.state == engine.KvState.LIVE and depth(index, tokens) == 1
    assert stream.feed_replay(b"", index, sequence=engine.REPLAY_END).outcome == engine.KvOutcome.ENDED

    assert stream.feed(batch(13, []), index).outcome == engine.KvOutcome.APPLIED  # no number: the next one
    assert stream.feed(frames(7, batch(17, [])), index).replay == (4, 7)
    step = stream.replay_failed(index)
    assert step.cleared and step.clears == 1 and depth(index, tokens) == 0
    info = stream.info()
    assert (info.next_sequence, info.applied, info.duplicates, info.held_back, info.lost) == (8, 4, 1, 2, 1)
    assert repr(stream) == "<kthena.engine.KvStream of vllm, worker 0, LIVE>"


def test_a_stream_refuses(index: kthena.PrefixIndex) -> None:
    stream = engine.KvStream("vllm", worker=index.add_worker("w"), rank=3, max_bytes=200)
    whole = batch(1, [stored([1], [1, 2, 3, 4])], rank=3)
    for size in range(len(whole)):
        with pytest.raises(kthena.InvalidArgumentError):
            stream.feed(whole[:size], index)
    with pytest.raises(kthena.InvalidArgumentError, match="2 in the stream of rank 3"):
        stream.feed(batch(1, [], rank=2), index)
    with pytest.raises(kthena.ResourceExhaustedError):
        stream.feed(bytes(201), index)
    with pytest.raises(TypeError, match="payload must be bytes, not str"):
        stream.feed(["topic", struct.pack(">Q", 0), "text"], index)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="1 where at least 2 are needed"):
        stream.feed([whole], index)
    with pytest.raises(kthena.InvalidArgumentError, match="frame: 3 bytes where a sequence number has 8"):
        stream.feed([b"abc", whole], index)
    with pytest.raises(TypeError, match="not both"):
        stream.feed(frames(0, whole), index, sequence=0)
    with pytest.raises(TypeError, match="needs its sequence number"):
        stream.feed_replay(whole, index)
    with pytest.raises(TypeError, match="index must be a PrefixIndex"):
        stream._stream.feed(whole, "index", 0)  # type: ignore[arg-type]
    assert index.stats().memberships == 0 and stream.state == engine.KvState.WAITING
    assert stream.feed(whole, index).stored_blocks == 1
    with pytest.raises(kthena.InvalidArgumentError, match="has another block size, seed or width"):
        stream.feed(whole, kthena.PrefixIndex(block_tokens=4, seed=1), sequence=1)


def test_feeding_and_looking_up_in_threads(index: kthena.PrefixIndex) -> None:
    tokens = list(range(400))
    stream = engine.KvStream("vllm", worker=index.add_worker("w"), model="m")
    store = batch(1, [stored(list(range(1, 101)), tokens)])
    drop = batch(1, [removed(list(range(1, 101)))])
    query = index.query(model="m").extend(tokens)
    stop = threading.Event()

    def feed() -> int:
        sequence = 0
        while not stop.is_set():
            stream.feed(frames(sequence, drop if sequence % 2 else store), index)
            sequence += 1
        return sequence

    with ThreadPoolExecutor(3) as threads:
        writer = threads.submit(feed)
        readers = [threads.submit(lambda: {int(index.find(query)[0]) for _ in range(300)}) for _ in range(2)]
        try:
            assert all(reader.result() <= {0, 100} for reader in readers)
        finally:
            stop.set()
        fed = writer.result()
        assert stream.info().applied == fed


def test_subscribing_without_pyzmq(index: kthena.PrefixIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(ImportError, match=r"pip install 'kthena\[zmq\]'"):
        engine.subscribe("tcp://127.0.0.1:1", engine.KvStream("vllm"), index)
