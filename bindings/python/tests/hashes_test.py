from __future__ import annotations

import subprocess
import sys
from typing import Any

import kthena
import numpy as np
import pytest
import vectors
from kthena import hashes

ENGINE_HASHES = vectors.ROOT / "tests" / "vectors" / "engine_hashes"
ALL = list(vectors.cases(ENGINE_HASHES))
CASES = [case for case in ALL if "expect" in case]
REFUSED = [case for case in ALL if "faults" in case]


def name_of(case: dict[str, Any]) -> str:
    return f"{case['formula']}: {case['name']}"


def answer(case: dict[str, Any], *, as_array: bool = True) -> dict[str, Any]:
    """The answer as `expect` has it."""
    options = dict(case["options"]) | dict.fromkeys(case.get("long", []), "x" * 65537)
    tokens: Any = case.get("tokens", [])
    if as_array:
        tokens = np.array(tokens, dtype=np.uint32)
    if "multimodal" in options:
        options["multimodal"] = [(m["identifier"], m["offset"], m["length"]) for m in options["multimodal"]]
    for name in ("parent", "prompt_embeds"):
        if isinstance(options.get(name), str):
            options[name] = bytes.fromhex(options[name])
    match case["formula"]:
        case "vllm" | "sglang" as formula:
            found = getattr(hashes, formula)(tokens, **options)
            assert found.digests.dtype == np.uint8 and found.hashes.dtype == np.uint64
            return {"digests": [row.tobytes().hex() for row in found.digests], "hashes": found.hashes.tolist()}
        case "xxh3_chain":
            return {name: array.tolist() for name, array in hashes.xxh3_chain(tokens, **options)._asdict().items()}
        case "llm_d":
            return {"hashes": hashes.llm_d(tokens, **options).tolist()}
        case "kthena_blocks":
            return {"hashes": hashes.kthena_blocks(tokens, **options).tolist()}
        case "kthena_bytes":
            return {"hashes": hashes.kthena_bytes(case["prompt"], **options).tolist()}
    raise AssertionError(case["formula"])


def test_there_are_enough() -> None:
    assert len(CASES) >= 130
    assert len(REFUSED) >= 25


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_hashes(case: dict[str, Any]) -> None:
    assert answer(case) == case["expect"]
    assert answer(case, as_array=False) == case["expect"]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(kthena.InvalidArgumentError) as refused:
        answer(case)
    vectors.assert_faults(str(refused.value), case["faults"])


def test_a_conversation_grows() -> None:
    tokens = np.arange(96, dtype=np.uint32)
    whole = hashes.vllm(tokens, block_tokens=16, seed="0", cache_salt="s")
    head = hashes.vllm(tokens[:32], block_tokens=16, seed="0", cache_salt="s")
    rest = hashes.vllm(tokens[32:], block_tokens=16, seed="0", cache_salt="s", parent=head.digests[-1], first_block=2)
    assert np.array_equal(np.concatenate([head.hashes, rest.hashes]), whole.hashes)
    pages = hashes.sglang(tokens, page_tokens=16)
    assert np.array_equal(
        hashes.sglang(tokens[32:], page_tokens=16, parent=pages.digests[1]).digests, pages.digests[2:]
    )
    chain = hashes.xxh3_chain(tokens, block_tokens=16)
    more = hashes.xxh3_chain(tokens[32:], block_tokens=16, parent=int(chain.chained[1]))
    assert np.array_equal(more.chained, chain.chained[2:])
    keys = hashes.llm_d(tokens, block_tokens=16)
    assert np.array_equal(hashes.llm_d(tokens[32:], block_tokens=16, parent=int(keys[1]), first_block=2), keys[2:])


def test_local_hashes_are_an_index_s_contents() -> None:
    tokens = np.arange(64, dtype=np.uint32)
    index = kthena.PrefixIndex(block_tokens=16, seed=1337)
    assert np.array_equal(index.hash_blocks(tokens), hashes.xxh3_chain(tokens, block_tokens=16).local)


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="tokens must be an array of uint32, not of int64"):
        hashes.vllm(np.arange(16), block_tokens=16)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"tokens must hold numbers in 0 \.\. 4294967295"):
        hashes.sglang([-1], page_tokens=1)
    with pytest.raises(ValueError, match="algorithm must be 'sha256_cbor' or 'xxhash_cbor', not 'sha256'"):
        hashes.vllm([1], block_tokens=1, algorithm="sha256")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        hashes.xxh3_chain([1], block_tokens=-1)


def test_the_vectors_are_those_of_their_generator() -> None:
    """ctest runs it as well, but with a Python that may lack xxhash; this one has it."""
    pytest.importorskip("xxhash")
    generator = vectors.ROOT / "tools" / "gen_engine_hash_vectors.py"
    done = subprocess.run([sys.executable, "-B", str(generator), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
