from __future__ import annotations

import doctest
import json
import subprocess
import sys
from importlib import metadata

import kthena
import pytest
from kthena.errors import error_for


def mix64(value: int) -> int:
    """SplitMix64's finaliser, written down again."""
    mask = 2**64 - 1
    value ^= value >> 30
    value = value * 0xBF58476D1CE4E5B9 & mask
    value ^= value >> 27
    value = value * 0x94D049BB133111EB & mask
    return value ^ value >> 31


def test_random_numbers_are_those_of_every_language() -> None:
    mask, golden = 2**64 - 1, 0x9E3779B97F4A7C15
    for seed, stream, counter in ((0, 0, 0), (1, 2, 3), (mask, mask, mask)):
        key = mix64(mix64(seed + golden & mask) + stream * 0xD1342543DE82EF95 & mask)
        assert kthena.random_u64(seed, stream, counter) == mix64(key + (counter + 1) * golden & mask)
    with pytest.raises(TypeError):
        kthena.random_u64(-1, 0, 0)


def test_hash_of_ids() -> None:
    assert kthena.hash_id("pod-a") == kthena.hash_id("pod-a") != kthena.hash_id("pod-b")
    assert 0 <= kthena.hash_id("") < 2**64
    with pytest.raises(TypeError):
        kthena.hash_id(5)  # type: ignore[arg-type]


def test_what_the_numbers_of_a_reason_are() -> None:
    assert kthena.reason_numbers(kthena.Reason.BEST_SCORE).startswith("a = score")
    assert kthena.reason_numbers(kthena.Reason.NONE) == kthena.reason_numbers(99) == ""


def test_version() -> None:
    assert kthena.__version__ == metadata.version("kthena")


def test_errors() -> None:
    assert [code.value for code in kthena.StatusCode] == list(range(17))
    for code in kthena.StatusCode:
        error = error_for(code, "a; b")
        assert isinstance(error, kthena.KthenaError)
        assert error.code is code and str(error) == "a; b"
    assert isinstance(error_for(3, ""), ValueError)
    assert isinstance(error_for(11, ""), ValueError)
    assert isinstance(error_for(5, ""), KeyError)


def test_decide_json() -> None:
    document = {"pool": {"endpoints": [{"id": "a"}]}, "policy": "random", "request": {"id": "x"}}
    answer = kthena.decide_json(document)
    assert answer == kthena.decide_json(json.dumps(document, indent=3))
    assert json.loads(answer)["endpoint"] == "a"
    with pytest.raises(TypeError):
        kthena.decide_json(b"{}")  # type: ignore[arg-type]


def test_the_examples_in_docstrings() -> None:
    result = doctest.testmod(kthena)
    assert result.attempted > 0 and result.failed == 0


def test_everything_public_is_documented() -> None:
    for name in kthena.__all__:
        thing = getattr(kthena, name)
        if callable(thing):
            assert thing.__doc__, name


def test_module_and_command_are_one() -> None:
    result = subprocess.run([sys.executable, "-m", "kthena", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout == f"kthena {kthena.__version__}\n"
