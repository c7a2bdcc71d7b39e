from __future__ import annotations

import json
from typing import Any

import kthena
import pytest
import vectors

CASES = list(vectors.cases(vectors.ROUTE))
ERRORS = list(vectors.cases(vectors.ROUTE_ERRORS))
SIM = list(vectors.cases(vectors.SIM))


def name_of(case: dict[str, Any]) -> str:
    return f"{case['file']}: {case['name']}"


def test_there_are_enough() -> None:
    assert len(CASES) >= 60
    assert ERRORS and SIM


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_typed(case: dict[str, Any]) -> None:
    pool = vectors.pool_of(case["pool"])
    policy = vectors.policy_of(case["policy"])
    decision = policy.decide(pool, **vectors.request_of(case["request"], pool))
    expect = case["expect"]
    assert decision.outcome.name.lower() == expect["outcome"]
    assert decision.endpoint == expect["endpoint"]
    assert decision.index == (None if expect["endpoint"] is None else pool.ids.index(expect["endpoint"]))
    assert decision.ranked == tuple(expect["ranked"])
    assert decision.ranked_indices == tuple(pool.ids.index(id) for id in expect["ranked"])
    assert decision.reason == expect["reason"]["code"]
    assert decision.reason.name.lower() == expect["reason"]["name"]
    assert decision.reason_subject == expect["reason"]["subject"]
    assert decision.reason_a == expect["reason"]["a"]
    assert decision.reason_b == expect["reason"]["b"]
    assert decision.score == expect["score"]
    assert decision.margin == expect["margin"]
    assert decision.candidates == expect["candidates"]
    assert decision.stage == expect["stage"]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_json(case: dict[str, Any]) -> None:
    document = {name: case[name] for name in ("pool", "policy", "request")}
    assert kthena.decide_json(document) == case["expect_text"]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_explain(case: dict[str, Any]) -> None:
    pool = vectors.pool_of(case["pool"])
    policy = vectors.policy_of(case["policy"])
    arguments = vectors.request_of(case["request"], pool)
    explanation = policy.explain(pool, **arguments)
    decision = policy.decide(pool, **arguments)
    assert explanation.endpoint == decision.endpoint
    assert explanation.ranked == decision.ranked
    assert explanation.reason == decision.reason
    assert explanation.score == decision.score
    assert explanation.reason_text == kthena.reasons.TEXTS[decision.reason]
    by_rank = sorted((c for c in explanation.candidates if c.rank), key=lambda c: c.rank)
    assert tuple(c.endpoint for c in by_rank)[: len(decision.ranked)] == decision.ranked
    assert len(by_rank) == decision.candidates
    for candidate in explanation.candidates:
        said = case.get("scores", {}).get(candidate.endpoint, {})
        for term in candidate.terms:
            if term.scorer in said:
                assert term.abstained == (said[term.scorer] is None)
                assert term.abstained or term.score == said[term.scorer]
    text = policy.explain_json(pool, **arguments)
    document = {name: case[name] for name in ("pool", "policy", "request")} | {"explain": True}
    assert json.loads(text) == json.loads(kthena.decide_json(document))
    assert text == kthena.decide_json(document)


@pytest.mark.parametrize("case", ERRORS, ids=name_of)
def test_refused(case: dict[str, Any]) -> None:
    document = case["text"] if "text" in case else json.dumps(case["document"])
    with pytest.raises(kthena.KthenaError) as refused:
        kthena.decide_json(document)
    code = case["status"]
    assert refused.value.code == (kthena.StatusCode[code.upper()] if isinstance(code, str) else code)
    vectors.assert_faults(str(refused.value), case["faults"])


@pytest.mark.parametrize("case", [case for case in SIM if "expect" in case], ids=name_of)
def test_simulation(case: dict[str, Any]) -> None:
    simulation = kthena.Simulation(case["scenario"], case.get("trace", ""))
    assert simulation.run().report_json() == case["expect_text"]


@pytest.mark.parametrize("case", [case for case in SIM if "faults" in case], ids=name_of)
def test_refused_simulation(case: dict[str, Any]) -> None:
    with pytest.raises(kthena.KthenaError) as refused:
        kthena.Simulation(case["scenario"], case.get("trace", ""))
    vectors.assert_faults(str(refused.value), case["faults"])
