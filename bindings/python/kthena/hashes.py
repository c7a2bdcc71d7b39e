"""What engines and other routers call the blocks of these tokens: their block hashes, computed without them.

>>> from kthena import hashes
>>> hashes.vllm(range(32), block_tokens=16, seed="0").hashes.tolist()
[12687895063098490012, 1814341696565857452]

Only full blocks have a hash, but with Kthena's own two functions, which hash the rest as well. A prompt that grows is
continued behind `parent`, the hash of the block before the first token given; `first_block` is then the number of the
block that the first token begins. Token ids are an array of uint32 or a sequence of int. Every function raises
InvalidArgumentError naming all arguments at fault. Any thread; calls of 256 tokens or more release the GIL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from kthena import _core
from kthena.arrays import Uint32, Uint64, from_list

Tokens: TypeAlias = "Uint32 | Sequence[int]"
Bytes: TypeAlias = "bytes | bytearray | memoryview | npt.NDArray[np.uint8]"
#: (identifier, offset of its first placeholder in the prompt, placeholders)
MultimodalItem: TypeAlias = tuple[str, int, int]


class BlockHashes(NamedTuple):
    """Hashes of consecutive blocks."""

    digests: npt.NDArray[np.uint8]
    """One row of bytes per block; `bytes(digests[-1])` is the `parent` of what follows."""
    hashes: Uint64
    """The 64 bits that KV events carry."""


class ChainHashes(NamedTuple):
    """Hashes of consecutive blocks of the XXH3 chain."""

    local: Uint64
    """Of the tokens of each block alone."""
    chained: Uint64
    """Of all tokens up to the end of each block; `int(chained[-1])` is the `parent` of what follows."""


def _tokens(tokens: Tokens | range) -> Uint32:
    return from_list(list(tokens) if isinstance(tokens, range) else tokens, np.uint32, "tokens")


def _bytes(value: Bytes | None) -> bytes:
    return b"" if value is None else bytes(value)


def _choice(name: str, value: str, among: tuple[str, str]) -> int:
    if value not in among:
        raise ValueError(f"{name} must be {among[0]!r} or {among[1]!r}, not {value!r}")
    return among.index(value)


def vllm(
    tokens: Tokens,
    *,
    block_tokens: int,
    algorithm: Literal["sha256_cbor", "xxhash_cbor"] = "sha256_cbor",
    key_form: Literal["tagged", "plain"] = "tagged",
    seed: str = "",
    lora_name: str = "",
    lora_path: str = "",
    cache_salt: str = "",
    multimodal: Sequence[MultimodalItem] = (),
    prompt_embeds: Bytes | None = None,
    parent: Bytes | None = None,
    first_block: int = 0,
) -> BlockHashes:
    """vLLM's block hashes for --prefix-caching-hash-algo sha256_cbor or xxhash_cbor.

    vLLM's default, sha256, hashes pickles and is not covered.

    `key_form`: "tagged" as 0.31 and newer write extra keys, "plain" as up to 0.30. `seed`: the engines' PYTHONHASHSEED;
    empty: it is not set, which xxhash_cbor cannot be computed for. `lora_path` goes with `lora_name` in tagged keys.
    `multimodal`: items by offset, none overlapping. `prompt_embeds`: for each block the 32 bytes of SHA-256 over its
    embeddings.
    """
    return BlockHashes(
        *_core.hash_vllm(
            _tokens(tokens),
            block_tokens=block_tokens,
            algorithm=_choice("algorithm", algorithm, ("sha256_cbor", "xxhash_cbor")),
            key_form=_choice("key_form", key_form, ("tagged", "plain")),
            seed=seed,
            lora_name=lora_name,
            lora_path=lora_path,
            cache_salt=cache_salt,
            multimodal=list(multimodal),
            prompt_embeds=_bytes(prompt_embeds),
            parent=_bytes(parent),
            first_block=first_block,
        )
    )


def sglang(
    tokens: Tokens,
    *,
    page_tokens: int,
    kind: Literal["events", "storage"] = "events",
    extra_key: str = "",
    cache_salt: str = "",
    parent: Bytes | None = None,
) -> BlockHashes:
    """SGLang's page hashes.

    As its KV events have them, where `extra_key` does not count, or as its storage backends are keyed, where it does.
    Events write `hashes` as signed numbers: `hashes.view(np.int64)`.
    """
    return BlockHashes(
        *_core.hash_sglang(
            _tokens(tokens),
            page_tokens=page_tokens,
            kind=_choice("kind", kind, ("events", "storage")),
            extra_key=extra_key,
            cache_salt=cache_salt,
            parent=_bytes(parent),
        )
    )


def xxh3_chain(
    tokens: Tokens,
    *,
    block_tokens: int,
    seed: int = 1337,
    lora_name: str = "",
    cache_namespace: str = "",
    parent: int | None = None,
) -> ChainHashes:
    """The XXH3 chain of Dynamo and SMG; `lora_name` and `cache_namespace` are Dynamo's."""
    return ChainHashes(
        *_core.hash_xxh3_chain(
            _tokens(tokens),
            block_tokens=block_tokens,
            seed=seed,
            lora_name=lora_name,
            cache_namespace=cache_namespace,
            parent=parent,
        )
    )


def llm_d(
    tokens: Tokens,
    *,
    block_tokens: int,
    seed: str = "",
    model: str = "",
    cache_salt: str = "",
    multimodal: Sequence[MultimodalItem] = (),
    parent: int | None = None,
    first_block: int = 0,
) -> Uint64:
    """The request keys of llm-d's indexer. `seed`: its hashSeed. `model`: the model, or the LoRA adapter's name."""
    return _core.hash_llm_d(
        _tokens(tokens),
        block_tokens=block_tokens,
        seed=seed,
        model=model,
        cache_salt=cache_salt,
        multimodal=list(multimodal),
        parent=parent,
        first_block=first_block,
    )


def kthena_blocks(tokens: Tokens, *, block_tokens: int) -> Uint64:
    """Hashes of Kthena's kvcache-aware plugin, which are not chained. The last partial block has one too."""
    return _core.hash_kthena_blocks(_tokens(tokens), block_tokens=block_tokens)


def kthena_bytes(prompt: str | bytes, *, block_bytes: int = 64, model: str = "") -> Uint64:
    """Hashes of Kthena's prefix-cache plugin, over bytes of the prompt. The last partial block has one too."""
    return _core.hash_kthena_bytes(prompt, block_bytes=block_bytes, model=model)
