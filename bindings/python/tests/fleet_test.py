from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import kthena
import numpy as np
import pytest
from kthena import TicketOutcome

POLICY = kthena.Policy("cost")


def prompt(start: int, n: int = 512) -> np.ndarray[Any, np.dtype[np.uint32]]:
    return np.arange(start, start + n, dtype=np.uint32)


@pytest.fixture
def fleet() -> kthena.Fleet:
    fleet = kthena.Fleet(seed=7)
    assert fleet.add_endpoints(["c", "a", "b"], now_ns=0) == (0, 1, 2)
    return fleet


def in_flight(fleet: kthena.Fleet) -> list[float]:
    return [fleet.signal(id, "in_flight") for id in fleet.ids if id]


def test_a_request_from_decision_to_end(fleet: kthena.Fleet) -> None:
    assert (len(fleet), fleet.ids, fleet.find("b"), fleet.find("x")) == (3, ("c", "a", "b"), 2, None)
    assert repr(fleet) == "<kthena.Fleet of 3 endpoints>"
    decision, ticket = fleet.decide(POLICY, prompt(0), id="r", model="m", output_tokens=100, now_ns=1000)
    assert decision.outcome == kthena.Outcome.ROUTED and decision.index is not None
    assert decision.endpoint == fleet.ids[decision.index]
    assert decision.ranked[0] == decision.endpoint and len(decision.failover) == 2
    assert type(ticket) is kthena.Ticket and ticket.generation == 1
    assert fleet.signal(decision.index, "in_flight") == 1
    assert fleet.signal(decision.endpoint, "uncached_tokens") == 512
    assert fleet.first_token(ticket, now_ns=2000) is TicketOutcome.APPLIED
    assert fleet.first_token(ticket, now_ns=2000) is TicketOutcome.REPEATED
    assert fleet.progress(ticket, 40, now_ns=3000) is TicketOutcome.APPLIED
    assert fleet.signal(decision.index, "output_tokens") == 60
    assert fleet.finish(ticket, 60, now_ns=4000) is TicketOutcome.APPLIED
    assert sum(in_flight(fleet)) == 0
    for stale in (
        fleet.finish(ticket, now_ns=5000, failed=True),
        fleet.progress(ticket, 1, now_ns=5000),
        fleet.first_token(kthena.Ticket(0, 0), now_ns=5000),
    ):
        assert stale is TicketOutcome.STALE
    counts = fleet.counts()
    assert (counts.booked, counts.done, counts.in_flight, counts.stale) == (1, 1, 0, 3)


def test_a_burst_is_spread_and_equal_prompts_go_together(fleet: kthena.Fleet) -> None:
    for i in range(9):
        fleet.decide(POLICY, id=f"r{i}", prompt_tokens=512, output_tokens=100, now_ns=1, sequence=i)
    assert in_flight(fleet) == [3, 3, 3]

    fleet = kthena.Fleet(max_expected_blocks=10_000)
    fleet.add_endpoints([f"pod-{i}" for i in range(8)], now_ns=0)
    chosen: dict[int, set[str | None]] = {}
    for turn in range(6):
        for family in range(4):
            now = turn * 1_000_000_000
            decision, ticket = fleet.decide(POLICY, prompt(family * 100_000), id=f"{turn}-{family}", now_ns=now)
            assert ticket is not None
            fleet.first_token(ticket, now_ns=now + 1000)
            fleet.finish(ticket, 10, now_ns=now + 2000)
            chosen.setdefault(family, set()).add(decision.endpoint)
    assert all(len(endpoints) == 1 for endpoints in chosen.values())


def test_the_index_borrows_and_keeps_the_fleet(fleet: kthena.Fleet) -> None:
    index = fleet.index
    assert index is fleet.index and isinstance(index, kthena.PrefixIndex)
    assert [index.worker_name(w) for w in range(3)] == ["c", "a", "b"]
    tokens = prompt(0)
    names = np.arange(1, 33, dtype=np.uint64)
    index.store(2, engine_hashes=names, tokens=tokens, model="m")
    decision, _ = fleet.decide(POLICY, tokens, id="r", model="m", now_ns=1)
    assert decision.endpoint == "b" and fleet.signal("b", "held_blocks") == 32
    assert fleet.signal("b", "uncached_tokens") < 512
    elsewhere, _ = fleet.decide(POLICY, tokens, id="r", model="m", tenant="other", now_ns=1)
    assert fleet.signal(elsewhere.index or 0, "uncached_tokens") >= 512
    with pytest.raises(TypeError, match="by the fleet alone"):
        index.add_worker("d")
    with pytest.raises(TypeError, match="by the fleet alone"):
        index.remove_worker(0)
    with pytest.raises(TypeError, match=r"Fleet\.index"):
        kthena.FleetIndex()
    del fleet
    gc.collect()
    assert list(index.find(index.query(model="m").extend(tokens))) == [0, 0, 32]
    index.clear(2)
    assert index.stats().memberships == 0
    del index
    gc.collect()


def test_membership(fleet: kthena.Fleet) -> None:
    before, _ = fleet.decide(POLICY, id="r", now_ns=1)
    name = before.endpoint
    restarted = fleet.book("c", prompt(0), id="s", now_ns=1)
    fleet.restart_endpoint("c", now_ns=2)
    assert fleet.finish(restarted, now_ns=3) is TicketOutcome.STALE
    fleet.remove_endpoint(1, now_ns=3)
    assert fleet.ids == ("c", "", "b") and len(fleet) == 2 and before.endpoint == name
    assert fleet.add_endpoints(["d", "e"], now_ns=4) == (1, 3)
    assert fleet.ids == ("c", "d", "b", "e")
    assert fleet.find("a") is None
    fleet.remove_endpoint("d", now_ns=5)
    for number in (1, 9):
        with pytest.raises(kthena.NotFoundError, match="endpoint"):
            fleet.restart_endpoint(number, now_ns=6)
    with pytest.raises(kthena.NotFoundError, match='no endpoint "d"'):
        fleet.book("d", id="r", now_ns=6)


def test_models_places_and_samples() -> None:
    fleet = kthena.Fleet(max_tickets=2)
    fleet.add_endpoints(["a", "b"], [["m"], ["m", "lora"]], places=[{"zone": "z1"}, None], now_ns=0)
    policy = kthena.Policy({"filters": ["lora-affinity"], "scorers": ["least-request"]})
    assert fleet.decide(policy, id="r", model="m", adapter="lora", now_ns=1)[0].endpoint == "b"
    decision, ticket = fleet.decide(policy, id="r", model="other", now_ns=1)
    assert decision.endpoint is None and ticket is None and decision.outcome == kthena.Outcome.NO_ENDPOINT
    fleet.set_models("a", ["other"])
    assert fleet.decide(policy, id="r", model="other", now_ns=1)[0].endpoint == "a"
    with pytest.raises(kthena.ResourceExhaustedError):
        fleet.decide(policy, id="r", model="other", now_ns=1)
    assert fleet.expire(now_ns=601_000_000_000) == 2
    fleet.sample("a", running=3, waiting=1, kv_usage=0.5, sampled_ns=10, now_ns=10)
    assert fleet.signal("a", "running") == 3 and math.isnan(fleet.signal("b", "running"))
    fleet.sample("a", kv_usage=float("nan"), sampled_ns=11, now_ns=11)
    assert math.isnan(fleet.signal("a", "kv_usage"))


Case = tuple[Callable[[kthena.Fleet], object], type[Exception], str]
BAD: list[Case] = [
    (lambda f: f.decide(POLICY, np.zeros(4, dtype=np.int64), id="r", now_ns=1), TypeError, "tokens must be an array of uint32, not of int64"),  # type: ignore[arg-type]
    (lambda f: f.decide(POLICY, [1, 2], id="r", now_ns=1), TypeError, "tokens must be an array of uint32, not list"),  # type: ignore[arg-type]
    (lambda f: f.decide(POLICY, np.zeros((2, 2), dtype=np.uint32), id="r", now_ns=1), ValueError, "tokens must have one dimension, not 2"),
    (lambda f: f.decide(POLICY, np.zeros(8, dtype=np.uint32)[::2], id="r", now_ns=1), ValueError, "tokens must be contiguous"),
    (lambda f: f.decide(fleet, id="r", now_ns=1), TypeError, "policy must be a"),  # type: ignore[arg-type]
    (lambda f: f.decide(POLICY, id=b"r", now_ns=1), TypeError, "id must be str"),  # type: ignore[arg-type]
    (lambda f: f.decide(POLICY, now_ns=1), TypeError, "missing required argument: 'id'"),  # type: ignore[call-arg]
    (lambda f: f.decide(POLICY, id="r"), TypeError, "missing required argument: 'now_ns'"),  # type: ignore[call-arg]
    (lambda f: f.decide(id="r", now_ns=1), TypeError, "missing required argument: 'policy'"),  # type: ignore[call-arg]
    (lambda f: f.decide(POLICY, None, 3, id="r", now_ns=1), TypeError, "by position"),  # type: ignore[misc]
    (lambda f: f.decide(POLICY, None, id="r", now_ns=1, tokens=None), TypeError, "unexpected keyword argument 'tokens'"),  # type: ignore[misc]
    (lambda f: f.decide(POLICY, id="r", now_ns=1, prefix_depths=None), TypeError, "unexpected keyword argument 'prefix_depths'"),  # type: ignore[call-arg]
    (lambda f: f.decide(POLICY, id="r", now_ns=2**63), ValueError, "now_ns must be in"),
    (lambda f: f.decide(POLICY, id="r", now_ns=1, prompt_tokens=-1), ValueError, "prompt_tokens must be in"),
    (lambda f: f.decide(POLICY, id="r", now_ns=1, near={"floor": "1"}), ValueError, "no level 'floor'"),
    (lambda f: f.decide(POLICY, id="r", now_ns=1, slo_ttft_s=-1.0), ValueError, "slo_ttft_s"),
    (lambda f: f.decide(POLICY, id="r", now_ns=1, model="\udc80"), ValueError, "surrogates"),
    (lambda f: f.book(1.5, id="r", now_ns=1), TypeError, "endpoint must be int"),  # type: ignore[arg-type]
    (lambda f: f.book("x", id="r", now_ns=1), KeyError, 'no endpoint "x"'),
    (lambda f: f.book(3, id="r", now_ns=1), KeyError, "endpoint: there is no 3"),
    (lambda f: f.finish((1, 0), now_ns=1), TypeError, "ticket must be a Ticket, not tuple"),  # type: ignore[arg-type]
    (lambda f: f.finish(None, now_ns=1), TypeError, "ticket must be a Ticket"),  # type: ignore[arg-type]
    (lambda f: f.finish(kthena.Ticket(-1, 0), now_ns=1), ValueError, "ticket.generation"),
    (lambda f: f.add_endpoints("d", now_ns=1), TypeError, "not one str"),
    (lambda f: f.add_endpoints(["d", 1], now_ns=1), TypeError, "ids must hold str"),  # type: ignore[list-item]
    (lambda f: f.add_endpoints(["d", "a"], now_ns=1), kthena.KthenaError, "a"),
    (lambda f: f.add_endpoints(["d"], [], now_ns=1), ValueError, "0 lists for 1 endpoints"),
    (lambda f: f.add_endpoints(["d"], places=[{"floor": "1"}], now_ns=1), ValueError, "no level 'floor'"),
    (lambda f: f.add_endpoints(["d"], places=[], now_ns=1), ValueError, "places: 0 for 1 endpoints"),
    (lambda f: f.set_models("a", ["m", "m"]), ValueError, "models"),
    (lambda f: f.sample("a", sampled_ns=1, now_ns=1, load=1), TypeError, "unexpected keyword argument 'load'"),
    (lambda f: f.sample("a", sampled_ns=1, now_ns=1, running="x"), TypeError, "running must be float"),  # type: ignore[arg-type]
    (lambda f: f.sample("a", sampled_ns=1, now_ns=1, running=1, in_flight=1), ValueError, "in_flight"),
    (lambda f: f.sample("a", sampled_ns=1, now_ns=1, running=1, kv_usage=7), ValueError, "kv_usage"),
    (lambda f: f.signal("a", "load"), KeyError, 'no signal "load"'),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_is_named_and_changes_nothing(fleet: kthena.Fleet, call: Any, error: Any, message: str) -> None:
    fleet.decide(POLICY, prompt(0), id="r", now_ns=1)

    def state() -> object:
        return fleet.counts(), fleet.ids, [str(fleet.signal(i, name)) for i in range(3) for name in kthena.SIGNALS]

    before = state()
    with pytest.raises(error, match=message):
        call(fleet)
    assert state() == before


@pytest.mark.parametrize(
    "options",
    [
        {"max_tickets": 0},
        {"routers": 0},
        {"idle_limit_ns": 3},
        {"arrival_ns": -1},
        {"estimator": 5},
        {"block_tokens": 0},
    ],
)
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)) if "estimator" not in options else "Estimator"):
        kthena.Fleet(**options)


def test_an_object_whose_init_never_ran() -> None:
    with pytest.raises(TypeError):
        kthena.Fleet.__new__(kthena.Fleet).decide(POLICY, id="r", now_ns=1)


def test_a_scorer_cannot_use_its_fleet(fleet: kthena.Fleet) -> None:
    def calm(given: kthena.ScoreInput) -> list[float]:
        return [100.0 if e == 2 else 0.0 for e in given.endpoints]

    def busy(given: kthena.ScoreInput) -> list[float]:
        fleet.decide(POLICY, id="inner", now_ns=1)
        return [0.0] * len(given)

    own = kthena.Policy({"scorers": ["user:mine"]}, scorers={"mine": calm})
    assert fleet.decide(own, id="r", now_ns=1)[0].endpoint == "b"
    wrong = kthena.Policy({"scorers": ["user:mine"]}, scorers={"mine": busy})
    with pytest.raises(kthena.FailedPreconditionError, match="scorer"):
        fleet.decide(wrong, id="r", now_ns=1)
    assert fleet.counts().booked == 1
    assert fleet.decide(POLICY, id="r", now_ns=1)[1] is not None


def test_threads() -> None:
    """Deciders, one that stores, one that samples and one that adds and removes: every booking ends, ids stay right."""
    fleet = kthena.Fleet(seed=1)
    fleet.add_endpoints([f"pod-{i}" for i in range(8)], now_ns=0)
    index = fleet.index
    stop = threading.Event()
    names = np.arange(1, 257, dtype=np.uint64)

    def store() -> None:
        while not stop.is_set():
            index.store(3, engine_hashes=names, tokens=prompt(0, 4096))
            index.clear(3)

    def sample() -> None:
        while not stop.is_set():
            fleet.sample("pod-1", running=0, waiting=0, sampled_ns=1, now_ns=1)

    def change() -> None:
        i = 0
        while not stop.is_set():
            fleet.add_endpoints([f"extra-{i % 3}"], now_ns=1)
            fleet.remove_endpoint(f"extra-{i % 3}", now_ns=1)
            i += 1

    def decide(thread: int) -> int:
        for i in range(500):
            tokens = prompt(0, 4096 if i % 2 else 64)
            decision, ticket = fleet.decide(POLICY, tokens, id=f"{thread}-{i}", now_ns=1)
            assert ticket is not None
            assert str(decision.endpoint).startswith(("pod-", "extra-")) and len(set(decision.ranked)) > 1
            fleet.finish(ticket, 1, now_ns=2)
        return 500

    with ThreadPoolExecutor(6) as threads:
        others = [threads.submit(work) for work in (store, sample, change)]
        deciders = [threads.submit(decide, i) for i in range(3)]
        try:
            assert sum(decider.result() for decider in deciders) == 1500
        finally:
            stop.set()
        for other in others:
            other.result()
    counts = fleet.counts()
    assert counts.booked == 1500 and counts.in_flight == 0
    assert counts.done + counts.dropped == 1500
    assert sum(in_flight(fleet)) == 0
