from __future__ import annotations

import array
import math
from typing import Any

import kthena
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kthena import _core

IDS = ["pod-c", "pod-a", "pod-b"]


@pytest.fixture
def pool() -> kthena.Pool:
    return kthena.Pool(IDS)


def test_numbering_is_the_callers(pool: kthena.Pool) -> None:
    assert pool.ids == tuple(IDS)
    assert len(pool) == 3
    assert [pool.find(id) for id in IDS] == [0, 1, 2]
    assert pool.find("pod-d") is None
    assert repr(pool) == "<kthena.Pool of 3 endpoints>"


def test_an_empty_pool() -> None:
    assert len(kthena.Pool([])) == 0
    assert kthena.Pool([]).signal("running").shape == (0,)


def test_ids_may_be_any_iterable_of_text() -> None:
    assert kthena.Pool(iter(("ä", "日本"))).ids == ("ä", "日本")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "models", "error", "message"),
    [
        (["a", "a"], None, ValueError, "a"),
        ([""], None, ValueError, "empty"),
        (["a", "", "a"], None, ValueError, "; "),
        ("abc", None, TypeError, "not one str"),
        (["a", 1], None, TypeError, "must be str"),
        ([b"a"], None, TypeError, "must be str"),
        (["\udc80"], None, ValueError, "surrogates"),
        (["a"], [], ValueError, "0 lists for 1 endpoints"),
        (["a"], ["m"], TypeError, "not one str"),
        (["a"], [["m"], ["n"]], ValueError, "2 lists for 1 endpoints"),
        (["a"], [["m", "m"]], ValueError, "models"),
        (["a"], [[1]], TypeError, "must be str"),
        (["a"], 7, TypeError, "iterable"),
    ],
)
def test_bad_endpoints(ids: Any, models: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kthena.Pool(ids, models)


@pytest.mark.parametrize(
    ("more", "error", "message"),
    [
        ({"waiting_models": ["sql"]}, TypeError, "not one str"),
        ({"waiting_models": [["sql"]]}, ValueError, "waiting_models: 1 lists for 2 endpoints"),
        ({"waiting_models": [["m", "sql", "sql"], []]}, ValueError, r"waiting_models\[0\].*; .*waiting_models\[2\]"),
        ({"waiting_models": [[1], []]}, TypeError, "must be str"),
        ({"places": "zone"}, TypeError, "not one str"),
        ({"places": [{}]}, ValueError, "places: 1 for 2 endpoints"),
        ({"places": [{}, "z1"]}, TypeError, r"places\[1\] must be a mapping of names by level, not str"),
        (
            {"places": [{}, {"row": "r"}]},
            ValueError,
            r"places\[1\]: there is no level 'row'; the levels are host, rack",
        ),
        ({"places": [{1: "r"}, {}]}, ValueError, "there is no level 1"),
        ({"places": [{"zone": 1}, {}]}, TypeError, r"places\[0\] must be str, not int"),
    ],
)
def test_bad_waiting_models_and_places(more: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kthena.Pool(["a", "b"], [["m"], []], **more)


def test_waiting_models_and_places() -> None:
    near: kthena.Place = {"zone": "z1"}
    pool = kthena.Pool(
        ["b", "a", "c"],
        [["base"], ["base", "sql"], []],
        waiting_models=[["sql"], [], ["sql"]],
        places=[{"host": "h1", "region": "eu"}, None, near],
    )
    policy = kthena.Policy.from_json({"filters": ["lora-affinity"], "scorers": ["random"]})
    assert policy.decide(pool, id="x", model="sql").ranked == ("a",)
    assert policy.decide(pool, id="x", model="base").candidates == 2
    assert kthena.Pool(["a"], waiting_models=None, places=None).ids == ("a",)


def test_signals_are_those_of_the_library(pool: kthena.Pool) -> None:
    assert _core.signal_names() == kthena.SIGNALS
    assert len(kthena.SIGNALS) == 21 and kthena.SIGNALS[5:7] == ("in_flight", "prefill_requests")


def test_every_signal_at_once(pool: kthena.Pool) -> None:
    columns: Any = {name: np.array([i / 32, np.nan, 0]) for i, name in enumerate(kthena.SIGNALS)}
    pool.update(**columns, sampled_ns=4)
    for name, column in columns.items():
        assert np.array_equal(pool.signal(name), column, equal_nan=True)
        assert list(pool.sampled_ns(name))[::2] == [4, 4]
    limits = {"kv_usage": 1, "held_blocks": 1e15, "cold_turn": 9e15, "ready_at_s": 1e10, "prefill_tps": 1e9}
    for name, most in limits.items():
        pool.set(name, 0, most, sampled_ns=1)
        with pytest.raises(ValueError, match=name + ".* must not exceed"):
            pool.set(name, 0, most * 1.01, sampled_ns=1)


def test_never_sampled_is_a_state(pool: kthena.Pool) -> None:
    for name in kthena.SIGNALS:
        assert np.isnan(pool.signal(name)).all()
    pool.update(running=np.array([1.0, np.nan, 3.0]), sampled_ns=5)
    assert np.array_equal(pool.signal("running"), [1.0, np.nan, 3.0], equal_nan=True)
    assert list(pool.sampled_ns("running"))[::2] == [5, 5]


def test_columns_come_back_as_copies(pool: kthena.Pool) -> None:
    given = np.array([1.0, 2.0, 3.0])
    pool.update(waiting=given, sampled_ns=np.array([7, 8, 9]))
    given[0] = 99
    column = pool.signal("waiting")
    assert column.dtype == np.float64
    assert list(column) == [1, 2, 3]
    column[0] = 50
    assert list(pool.signal("waiting")) == [1, 2, 3]
    assert list(pool.sampled_ns("waiting")) == [7, 8, 9]
    assert pool.sampled_ns("waiting").dtype == np.int64


def test_lists_tuples_and_other_buffers(pool: kthena.Pool) -> None:
    pool.update(running=[1, 2.5, math.nan], waiting=(1, 2, 3), sampled_ns=[1, 2, 3])
    assert list(pool.signal("running"))[:2] == [1, 2.5]
    assert list(pool.sampled_ns("waiting")) == [1, 2, 3]
    pool.update(in_flight=array.array("d", [4, 5, 6]), sampled_ns=np.int64(4))  # type: ignore[arg-type]
    assert list(pool.signal("in_flight")) == [4, 5, 6]
    assert list(pool.sampled_ns("in_flight")) == [4, 4, 4]


def test_arrays_are_read_in_place(pool: kthena.Pool) -> None:
    values = np.arange(3.0)
    values.flags.writeable = False
    pool.update(running=values, sampled_ns=0)
    assert list(pool.signal("running")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (np.arange(3, dtype=np.float32), TypeError),
        (np.arange(3), TypeError),
        (np.arange(3, dtype=">f8"), TypeError),
        (np.arange(3, dtype=np.complex128), TypeError),
        (np.array(["a", "b", "c"]), TypeError),
        (np.array([1, 2, 3], dtype=object), TypeError),
        (np.arange(6.0)[::2], ValueError),
        (np.zeros((3, 1)), ValueError),
        (np.float64(3), ValueError),
        (3.0, TypeError),
        ("abc", TypeError),
        (b"12345678", TypeError),
        (["a", "b", "c"], TypeError),
        ([1, 2], ValueError),
        (np.zeros(4), ValueError),
        ([-1, 0, 0], ValueError),
        ([math.inf, 0, 0], ValueError),
        ([1e10, 0, 0], ValueError),
    ],
)
def test_bad_columns_change_nothing(pool: kthena.Pool, values: Any, error: type[Exception]) -> None:
    pool.update(running=[1, 2, 3], waiting=[4, 5, 6], kv_usage=[0.1, math.nan, 0.3], sampled_ns=[1, 2, 3])
    before = {name: (pool.signal(name), pool.sampled_ns(name)) for name in kthena.SIGNALS}
    for columns in ({"running": values}, {"running": values, "waiting": [7, 8, 9], "kv_usage": [0.5, 0.5, 0.5]}):
        with pytest.raises(error):
            pool.update(**columns, sampled_ns=50)
        for name, (column, times) in before.items():
            assert np.array_equal(pool.signal(name), column, equal_nan=True)
            sampled = ~np.isnan(column)
            assert np.array_equal(pool.sampled_ns(name)[sampled], times[sampled])


def test_all_faults_are_named(pool: kthena.Pool) -> None:
    with pytest.raises(kthena.InvalidArgumentError) as refused:
        pool.update(running=[-1, 0, math.inf], kv_usage=[0, 2, 0], sampled_ns=0)
    text = str(refused.value)
    assert text.count("; ") == 2
    assert "pod-c" in text and "pod-b" in text and "kv_usage" in text and "pod-a" in text


@pytest.mark.parametrize(
    ("sampled_ns", "error"),
    [
        (1.5, TypeError),
        (None, TypeError),
        ("now", TypeError),
        ([1, 2], ValueError),
        ([1, 2, 3.5], TypeError),
        (np.zeros(3, dtype=np.int32), TypeError),
        (np.zeros(3), TypeError),
        (2**63, ValueError),
        ([2**63, 0, 0], ValueError),
    ],
)
def test_bad_sample_times(pool: kthena.Pool, sampled_ns: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        pool.update(running=[1, 2, 3], sampled_ns=sampled_ns)
    assert np.isnan(pool.signal("running")).all()


def test_update_without_columns_and_without_time(pool: kthena.Pool) -> None:
    pool.update(sampled_ns=1)
    with pytest.raises(TypeError):
        pool.update(running=[1, 2, 3])  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        pool.update(speed=[1, 2, 3], sampled_ns=1)  # type: ignore[call-arg]


def test_one_value(pool: kthena.Pool) -> None:
    pool.set("in_flight", "pod-a", 3, sampled_ns=5)
    pool.set("in_flight", 2, 4.0, sampled_ns=6)
    assert np.array_equal(pool.signal("in_flight"), [np.nan, 3, 4], equal_nan=True)
    assert list(pool.sampled_ns("in_flight"))[1:] == [5, 6]
    pool.set("in_flight", np.uint32(2), math.nan, sampled_ns=7)
    assert np.array_equal(pool.signal("in_flight"), [np.nan, 3, np.nan], equal_nan=True)


@pytest.mark.parametrize(
    ("name", "endpoint", "value", "error"),
    [
        ("speed", 0, 1, KeyError),
        ("running", "pod-x", 1, KeyError),
        ("running", 3, 1, ValueError),
        ("running", -1, 1, ValueError),
        ("running", 2**80, 1, ValueError),
        ("running", 1.0, 1, TypeError),
        ("running", None, 1, TypeError),
        ("running", 0, -1, ValueError),
        ("running", 0, math.inf, ValueError),
        ("kv_usage", 0, 1.5, ValueError),
        ("running", 0, "1", TypeError),
    ],
)
def test_one_bad_value(pool: kthena.Pool, name: str, endpoint: Any, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        pool.set(name, endpoint, value, sampled_ns=0)
    assert np.isnan(pool.signal("running")).all()


def test_unknown_signals(pool: kthena.Pool) -> None:
    for call in (pool.signal, pool.sampled_ns):
        with pytest.raises(KeyError, match="the signals are running, waiting"):
            call("speed")


def test_json() -> None:
    document = {"endpoints": [{"id": "b", "running": 3, "sampled_ns": 8}, {"id": "a", "running": None}]}
    pool = kthena.Pool.from_json(document)
    assert type(pool) is kthena.Pool
    assert pool.ids == ("b", "a")
    assert np.array_equal(pool.signal("running"), [3, np.nan], equal_nan=True)
    assert pool.sampled_ns("running")[0] == 8
    with pytest.raises(ValueError, match=r"endpoints\[0\]\.id"):
        kthena.Pool.from_json('{"endpoints": [{}]}')
    with pytest.raises(ValueError):
        kthena.Pool.from_json("{")


values = st.one_of(st.just(math.nan), st.floats(0, 1e9, allow_nan=False))


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), values), unique_by=lambda row: row[0]
    )
)
def test_what_goes_in_comes_out(rows: list[tuple[str, float]]) -> None:
    pool = kthena.Pool([id for id, _ in rows])
    column = np.array([value for _, value in rows])
    pool.update(running=column, sampled_ns=3)
    assert np.array_equal(pool.signal("running"), column, equal_nan=True)
    assert pool.ids == tuple(id for id, _ in rows)
    assert [pool.find(id) for id in pool.ids] == list(range(len(rows)))
