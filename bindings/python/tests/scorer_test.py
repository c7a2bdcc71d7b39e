from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import kthena
import numpy as np
import pytest


def usage(given: kthena.ScoreInput) -> Any:
    return np.trunc((1 - given.column("kv_usage")) * 100)


@pytest.fixture
def pool() -> kthena.Pool:
    pool = kthena.Pool(["b", "c", "a"])
    pool.update(kv_usage=[0.5, 0.25, float("nan")], sampled_ns=0)
    return pool


def asking(scorer: Callable[[kthena.ScoreInput], Any]) -> kthena.Policy:
    return kthena.Policy({"scorers": ["user:mine", "random"]}, scorers={"mine": scorer})


def test_one_equal_to_one_of_the_library_decides_alike(pool: kthena.Pool) -> None:
    own = asking(usage)
    library = kthena.Policy({"scorers": ["gpu-usage", "random"]})
    for seed in range(100):
        assert own.decide(pool, id="r", seed=seed) == library.decide(pool, id="r", seed=seed)
    assert own.abstentions == 100 and library.abstentions == 0
    assert own.decide_many(pool, count=50).tolist() == library.decide_many(pool, count=50).tolist()
    assert own.abstentions == 150
    assert own.explain(pool, id="r").scorers[0] == "user:mine"
    assert own.to_dict()["scorers"][0]["name"] == "user:mine"
    assert kthena.Policy("random", scorers={"mine": usage}).decide(pool, id="r").endpoint is not None


def test_what_it_sees(pool: kthena.Pool) -> None:
    kept: list[Any] = []

    def look(given: kthena.ScoreInput) -> list[float]:
        kept.append(given)
        kept.append(given.column("kv_usage"))
        assert len(given) == 3
        assert given.endpoints.tolist() == [2, 0, 1]
        assert int(given.keys[0]) == kthena.hash_id("a")
        assert (given.prefix_depths.tolist(), given.prefix_total) == ([3, 1, 2], 4)
        assert (given.history_depths.tolist(), given.history_total) == ([3, 1, 2], 4)
        assert (given.id, given.model, given.session, given.seed, given.now_ns) == ("r", "llama", "s", 7, 5)
        assert (given.prompt_tokens, given.output_tokens, given.sequence) == (64, 8, 3)
        with pytest.raises(KeyError):
            given.column("kv")
        return [0, 0, 1000]

    depths = np.array([1, 2, 3], dtype=np.uint32)
    decision = asking(look).decide(
        pool, id="r", model="llama", session="s", seed=7, now_ns=5, prompt_tokens=64, output_tokens=8, sequence=3,
        prefix_depths=depths, prefix_total=4,
    )  # fmt: skip
    assert decision.endpoint == "c"
    assert kept[1][1:].tolist() == [0.5, 0.25]
    with pytest.raises(kthena.FailedPreconditionError):
        kept[0].column("kv_usage")


def test_an_exception_comes_out_as_it_is(pool: kthena.Pool) -> None:
    class ColdError(Exception):
        pass

    cold = ColdError("not warm yet")

    def fail(given: kthena.ScoreInput) -> list[float]:
        raise cold

    policy = asking(fail)
    calls: list[Callable[[], object]] = [
        lambda: policy.decide(pool, id="r"),
        lambda: policy.explain(pool, id="r"),
        lambda: policy.decide_many(pool, count=3),
    ]
    for call in calls:
        with pytest.raises(ColdError) as raised:
            call()
        assert raised.value is cold
    assert policy.abstentions == 0
    assert kthena.Policy("random").decide(pool, id="r").endpoint is not None


@pytest.mark.parametrize(("answer", "error"), [([1, 2], ValueError), (None, ValueError), ("abc", TypeError)])
def test_answers_that_are_wrong(pool: kthena.Pool, answer: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="mine"):
        asking(lambda given: answer).decide(pool, id="r")


def test_a_scorer_may_decide_on_another_pool(pool: kthena.Pool) -> None:
    inner = kthena.Policy("random")
    other = kthena.Pool([f"pod-{i}" for i in range(50)])

    def nested(given: kthena.ScoreInput) -> list[float]:
        before = given.column("kv_usage")
        asking(lambda more: np.ones(len(more))).decide(other, id="i")
        inner.decide(other, id="i")
        assert np.array_equal(given.column("kv_usage"), before, equal_nan=True)
        return [0, 0, 1000]

    assert asking(nested).decide(pool, id="r").endpoint == "c"


def test_threads(pool: kthena.Pool) -> None:
    policy = asking(usage)
    wrong: list[str | None] = []

    def decide() -> None:
        for i in range(300):
            decision = policy.decide(pool, id="r", sequence=i)
            if decision.candidates != 3:
                wrong.append(decision.endpoint)

    threads = [threading.Thread(target=decide) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        pool.update(kv_usage=[0.5, 0.25, float("nan")], sampled_ns=0)
    for thread in threads:
        thread.join()
    assert not wrong
    assert policy.abstentions == 600


def test_scorers_that_are_refused() -> None:
    with pytest.raises(ValueError, match="user:mine"):
        kthena.Policy({"scorers": ["user:other"]}, scorers={"mine": usage})
    with pytest.raises(TypeError, match="callable"):
        kthena.Policy({"scorers": ["user:mine"]}, scorers={"mine": 7})  # type: ignore[dict-item]
    with pytest.raises(ValueError):
        kthena.Policy({"scorers": ["user:mine"]})
