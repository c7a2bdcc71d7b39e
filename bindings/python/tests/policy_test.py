from __future__ import annotations

import inspect
import json
import types
from typing import Any

import kthena
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kthena import _core


@pytest.fixture
def pool() -> kthena.Pool:
    pool = kthena.Pool(["a", "b", "c"], [["m"], ["m", "n"], []])
    pool.update(running=[1, 2, 3], waiting=[0, 0, 0], in_flight=[1, 2, 3], kv_usage=[0.1, 0.2, 0.3], sampled_ns=1)
    return pool


@pytest.fixture
def policy() -> kthena.Policy:
    return kthena.Policy("kthena-default")


def test_presets_and_parts() -> None:
    names = kthena.presets()
    assert {"random", "round-robin", "kthena-default", "kthena-helm"} <= set(names)
    for name in names:
        assert kthena.Policy(name).to_dict()["name"] == name
        assert name in repr(kthena.Policy(name))
    parts = {(part.kind, part.name): part for part in kthena.parts()}
    option = parts["filter", "least-request"].options[0]
    assert option.name == "max_waiting" and option.minimum <= option.default <= option.maximum  # type: ignore[operator]


def test_an_unknown_preset_lists_those_that_exist() -> None:
    with pytest.raises(KeyError, match="round-robin") as refused:
        kthena.Policy("best")
    assert isinstance(refused.value, kthena.NotFoundError)
    assert refused.value.code is kthena.StatusCode.NOT_FOUND
    assert str(refused.value) == refused.value.message


def test_json_forms() -> None:
    document = {"name": "mine", "scorers": [{"name": "random", "weight": 2}], "ranked_limit": 2}
    policy = kthena.Policy.from_json(document)
    assert type(policy) is kthena.Policy
    assert policy.to_dict()["scorers"] == [{"name": "random", "weight": 2.0}]
    assert kthena.Policy.from_json(policy.to_json()).to_json() == policy.to_json()
    assert kthena.Policy.from_json('"random"').to_dict() == kthena.Policy("random").to_dict()


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"scorers": [{"name": "random", "weight": -1}]}, r"scorers\[0\]\.weight"),
        ('{"scorers": [{"name": "random", "weight": NaN}]}', "line 1"),
        ({"scorers": ["luck"]}, r"scorers\[0\]\.name"),
        ({"scorers": ["random"], "ranked_limit": 0}, "ranked_limit"),
        ({"scorers": ["random"], "extra": 1}, "extra"),
        ("{", "line 1"),
    ],
)
def test_bad_policies(document: Any, path: str) -> None:
    with pytest.raises(ValueError, match=path):
        kthena.Policy.from_json(document)


def test_all_faults_of_a_policy_together() -> None:
    with pytest.raises(kthena.InvalidArgumentError) as refused:
        kthena.Policy.from_json({"filters": ["x"], "scorers": [{"name": "y", "weight": -1}], "ranked_limit": 99})
    assert str(refused.value).count("; ") >= 3


def test_a_decision(pool: kthena.Pool, policy: kthena.Policy) -> None:
    decision = policy.decide(pool, id="request", model="m", seed=1)
    assert decision.outcome is kthena.Outcome.ROUTED
    assert (decision.endpoint, decision.index) == ("a", 0)
    assert decision.ranked == ("a", "b", "c")
    assert decision.ranked_indices == (0, 1, 2)
    assert decision.failover == ("b", "c")
    assert decision.reason is kthena.Reason.BEST_SCORE
    assert decision.candidates == 3
    assert decision.score >= decision.margin > 0
    assert (decision.reason_a, decision.reason_b) == (decision.score, decision.margin)
    assert repr(decision).startswith("Decision(endpoint='a', reason=best_score, score=")


def test_no_endpoint_is_an_answer(policy: kthena.Policy) -> None:
    decision = policy.decide(kthena.Pool([]), id="request")
    assert decision.outcome is kthena.Outcome.NO_ENDPOINT
    assert decision.endpoint is None and decision.index is None
    assert decision.ranked == () == decision.failover and decision.candidates == 0
    assert decision.reason is kthena.Reason.POOL_EMPTY
    assert "endpoint=None" in repr(decision)


def test_decisions_compare_by_value_and_cannot_be_made(pool: kthena.Pool, policy: kthena.Policy) -> None:
    first, second = (policy.decide(pool, id="x") for _ in range(2))
    assert first == second and hash(first) == hash(second)
    assert first != policy.decide(pool, id="x", prefix_depths=np.array([0, 9, 0], np.uint32), prefix_total=9)
    assert first != policy.decide(kthena.Pool(["a"]), id="x")
    assert first != "a"
    with pytest.raises(TypeError):
        type(first)()
    with pytest.raises(AttributeError):
        first.endpoint = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        first < second  # type: ignore[operator]  # noqa: B015


def test_a_decision_outlives_pool_and_policy() -> None:
    decision = kthena.Policy("random").decide(kthena.Pool(["only"]), id="x")
    assert decision.endpoint == "only" and decision.ranked == ("only",) and decision.failover == ()


def test_depths_pull(pool: kthena.Pool, policy: kthena.Policy) -> None:
    depths = np.array([0, 0, 30], dtype=np.uint32)
    assert policy.decide(pool, id="x", prefix_depths=depths, prefix_total=30).endpoint == "c"
    assert policy.decide(pool, id="x", prefix_depths=None, history_depths=depths, history_total=30).endpoint == "c"


def test_what_no_part_reads_changes_nothing(pool: kthena.Pool, policy: kthena.Policy) -> None:
    depths, deeper = np.array([0, 1, 2], np.uint32), np.array([4, 1, 9], np.uint32)
    known: dict[str, Any] = {"id": "x", "prefix_depths": depths, "prefix_total": 9, "seed": 2}
    more: dict[str, Any] = {
        "output_tokens": 100,
        "prefix_block_tokens": 16,
        "prefix_host_depths": depths,
        "prefix_disk_depths": deeper,
        "history_block_tokens": 65536,
        "history_host_depths": None,
        "history_disk_depths": None,
        "session": "conversation",
        "near": types.MappingProxyType({"zone": "z1", "host": None}),
        "slo_ttft_s": 1,
        "slo_tpot_s": np.float64(0.025),
    }
    assert policy.decide(pool, **more, **known) == policy.decide(pool, **known)
    assert policy.decide(pool, **{"".join(name): value for name, value in (known | more).items()}).index is not None
    assert policy.explain(pool, **known, **more) == policy.explain(pool, **known)
    assert policy.decide(pool, **known, near=None) == policy.decide(pool, **known, near={})


def test_round_robin_follows_the_sequence() -> None:
    policy, pool = kthena.Policy("round-robin"), kthena.Pool(["c", "a", "b"])
    assert [policy.decide(pool, id="x", sequence=i).endpoint for i in range(4)] == ["a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "missing required argument: 'id'"),
        ({"id": 1}, TypeError, "id must be str"),
        ({"id": b"x"}, TypeError, "id must be str"),
        ({"id": "x", "model": None}, TypeError, "model must be str"),
        ({"id": "\ud800"}, ValueError, "surrogates"),
        ({"id": "x", "colour": 1}, TypeError, "unexpected keyword argument 'colour'"),
        ({"id": "x", "seed": -1}, ValueError, "seed must be in 0 .. 2"),
        ({"id": "x", "seed": 2**64}, ValueError, "seed must be in 0 .. 2"),
        ({"id": "x", "seed": 1.0}, TypeError, "seed must be int"),
        ({"id": "x", "sequence": -1}, ValueError, "sequence must be in"),
        ({"id": "x", "now_ns": 2**63}, ValueError, "now_ns must be in"),
        ({"id": "x", "prompt_tokens": 2**32}, ValueError, "prompt_tokens must be in 0 .. 2"),
        ({"id": "x", "prefix_total": -1}, ValueError, "prefix_total must be in"),
        ({"id": "x", "prefix_depths": [1, 2, 3]}, TypeError, "prefix_depths must be an array of uint32, not list"),
        ({"id": "x", "prefix_depths": np.zeros(3, np.int32)}, TypeError, "array of uint32, not of int32"),
        ({"id": "x", "prefix_depths": np.zeros(3)}, TypeError, "not of float64"),
        ({"id": "x", "prefix_depths": np.zeros(6, np.uint32)[::2]}, ValueError, "contiguous"),
        ({"id": "x", "prefix_depths": np.zeros((3, 1), np.uint32)}, ValueError, "one dimension"),
        ({"id": "x", "prefix_depths": np.zeros(2, np.uint32)}, ValueError, "depth"),
        ({"id": "x", "prefix_depths": np.zeros(0, np.uint32)}, ValueError, "depth"),
        ({"id": "x", "history_depths": np.zeros(4, np.uint32)}, ValueError, "depth"),
        ({"id": "x", "output_tokens": 2**32}, ValueError, "output_tokens must be in 0 .. 2"),
        ({"id": "x", "output_tokens": 1.5}, TypeError, "output_tokens must be int"),
        ({"id": "x", "prefix_block_tokens": 65537}, ValueError, "prefix_block_tokens: must not exceed 65536"),
        ({"id": "x", "history_block_tokens": -1}, ValueError, "history_block_tokens must be in"),
        ({"id": "x", "session": 7}, TypeError, "session must be str"),
        ({"id": "x", "near": "z1"}, TypeError, "near must be a mapping of names by level, not str"),
        ({"id": "x", "near": ["z1"]}, TypeError, "near must be a mapping of names by level, not list"),
        ({"id": "x", "near": {"row": "z1"}}, ValueError, "near: there is no level 'row'"),
        ({"id": "x", "near": {"zone": 1}}, TypeError, "near must be str, not int"),
        ({"id": "x", "slo_ttft_s": "fast"}, TypeError, "slo_ttft_s must be float, not str"),
        ({"id": "x", "slo_ttft_s": float("nan")}, ValueError, "slo_ttft_s: must be finite and not negative"),
        ({"id": "x", "slo_tpot_s": -1}, ValueError, "slo_tpot_s: must be finite and not negative"),
        ({"id": "x", "prefix_host_depths": np.zeros(3, np.uint32)}, ValueError, "needs request.prefix_depths"),
        ({"id": "x", "history_disk_depths": [0, 0, 0]}, TypeError, "history_disk_depths must be an array of uint32"),
        (
            {"id": "x", "prefix_depths": np.ones(3, np.uint32), "prefix_disk_depths": np.zeros(3, np.uint32)},
            ValueError,
            r"prefix_disk_depths\[0\]: must be at least request.prefix_depths\[0\], 1",
        ),
        (
            {"id": "x", "prefix_depths": np.zeros(3, np.uint32), "prefix_host_depths": np.zeros(2, np.uint32)},
            ValueError,
            "one element for each endpoint",
        ),
        (
            {"id": "x", "prefix_depths": np.zeros(3, np.uint32), "history_depths": np.zeros(2, np.uint32)},
            ValueError,
            "one element for each endpoint",
        ),
    ],
)
def test_bad_arguments(
    pool: kthena.Pool, policy: kthena.Policy, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    for call in (policy.decide, policy.explain_json):
        with pytest.raises(error, match=message):
            call(pool, **arguments)


def test_the_pool_by_position_or_name(pool: kthena.Pool, policy: kthena.Policy) -> None:
    assert policy.decide(pool=pool, id="x") == policy.decide(pool, id="x")
    with pytest.raises(TypeError, match="missing required argument: 'pool'"):
        policy.decide(id="x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="by position"):
        policy.decide(pool, "x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword"):
        policy.decide(pool, pool=pool, id="x")  # type: ignore[misc]
    others: list[Any] = [None, policy, "pool", {}]
    for other in others:
        with pytest.raises(TypeError, match="pool must be a"):
            policy.decide(other, id="x")


def test_objects_that_were_never_initialised(pool: kthena.Pool, policy: kthena.Policy) -> None:
    with pytest.raises(TypeError):
        kthena.Policy.__new__(kthena.Policy).decide(pool, id="x")
    with pytest.raises(TypeError):
        policy.decide(kthena.Pool.__new__(kthena.Pool), id="x")
    with pytest.raises(TypeError):
        _core.Policy.decide(pool, pool, id="x")  # type: ignore[arg-type]


def test_keywords_that_are_not_interned(pool: kthena.Pool, policy: kthena.Policy) -> None:
    names = {"".join(["i", "d"]): "x", "".join(["se", "ed"]): np.uint64(3), "sequence"[:4] + "ence": np.int32(0)}
    assert policy.decide(pool, **names) == policy.decide(pool, id="x", seed=3)  # type: ignore[arg-type]


def test_signature() -> None:
    names = list(inspect.signature(kthena.Policy.decide).parameters)
    assert names[:4] == ["self", "pool", "id", "model"] and names[-1] == "seed"
    assert names == list(inspect.signature(kthena.Policy.explain).parameters)


def test_references_are_not_lost(pool: kthena.Pool, policy: kthena.Policy) -> None:
    import sys

    depths = np.zeros(3, np.uint32)
    bad = np.zeros(3, np.uint8)
    near: dict[str, Any] = {"zone": "".join(["z", "1"]), "host": "".join(["h", "1"])}
    counted = [pool, policy, depths, bad, pool.ids, near, *near.values()]
    before = [sys.getrefcount(item) for item in counted]
    for _ in range(100):
        decision = policy.decide(pool, id="x", prefix_depths=depths)
        assert decision.ranked and decision.reason and decision.outcome == 0
        decision = policy.decide(pool, id="x", prefix_depths=depths, prefix_host_depths=depths, near=near)
        for wrong in ({"prefix_depths": bad}, {"near": near | {"row": "r"}}, {"near": near | {"rack": 1}}):
            with pytest.raises((TypeError, ValueError)):
                policy.decide(pool, id="x", **wrong)  # type: ignore[arg-type]
    del decision, wrong
    assert [sys.getrefcount(item) for item in counted] == before


def test_explanation(pool: kthena.Pool) -> None:
    policy = kthena.Policy.from_json(
        {"filters": ["lora-affinity"], "scorers": ["gpu-usage", {"name": "random", "weight": 0.5}]}
    )
    explanation = policy.explain(pool, id="x", model="n", now_ns=5)
    assert explanation.filters == ("lora-affinity",)
    assert explanation.scorers == ("gpu-usage", "random")
    assert explanation.weights == (1.0, 0.5)
    kept = [candidate for candidate in explanation.candidates if candidate.rank]
    assert [candidate.endpoint for candidate in kept] == ["b"]
    assert kept[0].total == sum(term.contribution for term in kept[0].terms)
    assert kept[0].oldest_age_ns == 4
    dropped = next(candidate for candidate in explanation.candidates if candidate.endpoint == "c")
    assert dropped.dropped is kthena.Reason.MODEL_NOT_LOADED and dropped.dropped_by == "lora-affinity"
    pool.update(waiting=[0, 50, 0], sampled_ns=1)
    full = kthena.Policy("kthena-default").explain(pool, id="x").candidates[1]
    assert full.dropped is kthena.Reason.WAITING_LIMIT
    assert (full.dropped_subject, full.dropped_a, full.dropped_b) == (0, 50.0, 10.0)


@given(
    loads=st.lists(st.integers(0, 50), min_size=1, max_size=12),
    preset=st.sampled_from(kthena.presets()),
    id=st.text(st.characters(exclude_categories=["Cs"])),
    seed=st.integers(0, 2**64 - 1),
    order=st.randoms(use_true_random=False),
)
def test_the_order_of_endpoints_does_not_matter(loads: list[int], preset: str, id: str, seed: int, order: Any) -> None:
    policy = kthena.Policy(preset)
    rows = [(f"pod-{i:02}", load) for i, load in enumerate(loads)]
    answers = []
    for _ in range(2):
        pool = kthena.Pool([name for name, _ in rows])
        column = [load for _, load in rows]
        pool.update(running=column, waiting=column, in_flight=column, kv_usage=[x / 50 for x in column], sampled_ns=0)
        decision = policy.decide(pool, id=id, seed=seed)
        answers.append((decision.endpoint, decision.ranked, decision.reason, decision.score, decision.margin))
        document = json.loads(policy.explain_json(pool, id=id, seed=seed))
        assert document["decision"]["ranked"] == list(decision.ranked)
        order.shuffle(rows)
    assert answers[0] == answers[1]
