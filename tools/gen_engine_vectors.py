#!/usr/bin/env python3
"""Makes the golden files of tests/vectors/engine.

    tools/gen_engine_vectors.py           write them
    tools/gen_engine_vectors.py --check   write nothing; exit code 1 when one is stale

kv_batches.json   payloads of KV events in hex and what a decoder must say about each: the events, or that the batch is refused.
                  Batches named "recorded" are bytes of real engines.
vllm_busy.txt     the metrics page of a busy vLLM: families, labels, buckets and formats of version 0.32, invented numbers.
metrics.json      metrics pages and what a parser must read from them.
../recordings/llmd-sim-documented.jsonl
                  a stream of llm-d-inference-sim 0.9.2 in the form of tools/record_vllm.py, from bytes that were seen of it.

The msgpack writer and the numbers are this file's own and share nothing with the library.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import sys
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

Row = dict[str, Any]

TARGET = Path(__file__).resolve().parent.parent / "tests/vectors/engine"


# ---------------------------------------------------------------- msgpack: just enough, with every width on demand
class Raw(bytes):
    """Bytes that are put in as they are."""


def wide(value: int, kind: str) -> Raw:
    """An integer in a chosen width: u8 u16 u32 u64 i8 i16 i32 i64."""
    code = {"u8": 0xCC, "u16": 0xCD, "u32": 0xCE, "u64": 0xCF, "i8": 0xD0, "i16": 0xD1, "i32": 0xD2, "i64": 0xD3}[kind]
    size = int(kind[1:]) // 8
    return Raw(bytes([code]) + value.to_bytes(size, "big", signed=kind[0] == "i"))


def pack(value: object) -> bytes:
    match value:
        case Raw():
            return bytes(value)
        case None:
            return b"\xc0"
        case bool():
            return b"\xc3" if value else b"\xc2"
        case int():
            if 0 <= value < 0x80:
                return bytes([value])
            if -32 <= value < 0:
                return bytes([value & 0xFF])
            for kind, low, high in (
                ("u8", 0, 0xFF), ("u16", 0, 0xFFFF), ("u32", 0, 0xFFFFFFFF), ("u64", 0, 2**64 - 1),
                ("i8", -0x80, 0), ("i16", -0x8000, 0), ("i32", -0x80000000, 0), ("i64", -(2**63), 0),
            ):  # fmt: skip
                if low <= value <= high:
                    return wide(value, kind)
            raise ValueError(value)
        case float():
            return b"\xcb" + struct.pack(">d", value)
        case str():
            data = value.encode()
            head = bytes([0xA0 | len(data)]) if len(data) < 32 else b"\xd9" + bytes([len(data)])
            return head + data
        case bytes():
            return b"\xc4" + bytes([len(value)]) + value
        case list() | tuple():
            head = bytes([0x90 | len(value)]) if len(value) < 16 else b"\xdc" + len(value).to_bytes(2, "big")
            return head + b"".join(map(pack, value))
        case dict():
            head = bytes([0x80 | len(value)]) if len(value) < 16 else b"\xde" + len(value).to_bytes(2, "big")
            return head + b"".join(pack(k) + pack(v) for k, v in value.items())
        case _:
            raise TypeError(type(value))


# ---------------------------------------------------------------- what is expected
def stored(hashes: list[int], parent: int | None, tokens: list[int], block: int, **more: object) -> Row:
    return {"kind": "stored", "hashes": hashes, "parent": parent, "tokens": tokens, "block_tokens": block, **more}


def removed(hashes: list[int], **more: object) -> Row:
    return {"kind": "removed", "hashes": hashes, **more}


CLEARED = {"kind": "cleared"}
CASES: list[Row] = []


def good(name: str, payload: bytes | object, events: list[Row], profile: str = "vllm", **more: object) -> None:
    data = payload if isinstance(payload, bytes) else pack(payload)
    CASES.append({"name": name, "profile": profile, "hex": data.hex(), "events": events} | more)


def bad(name: str, payload: bytes | object, says: str, profile: str = "vllm") -> None:
    data = payload if isinstance(payload, bytes) else pack(payload)
    CASES.append({"name": name, "profile": profile, "hex": data.hex(), "error": says})


# ---------------------------------------------------------------- recorded from engines
TOKENS_VLLM = [
    269, 83, 75, 68, 224, 69, 72, 87, 68, 224, 74, 68, 80, 80, 68, 224, 71, 72, 79, 87, 68, 297, 322, 317, 309, 319, 320, 297, 315, 318, 224, 324,
]  # fmt: skip
good(
    "recorded: vLLM 0.32, BlockStored with a cache salt",
    bytes.fromhex(
        "93cb41dac1178ff8353d918ba474797065ab426c6f636b53746f726564ac626c6f636b5f68617368657391cff60a5e1a402b244bb1706172656e745f"
        "626c6f636b5f68617368c0a9746f6b656e5f696473dc0020cd010d534b44cce045485744cce04a44505044cce047484f5744cd0129cd0142cd013dcd"
        "0135cd013fcd0140cd0129cd013bcd013ecce0cd0144aa626c6f636b5f73697a6520a76c6f72615f6964c0a66d656469756da3475055a96c6f72615f"
        "6e616d65c0aa65787472615f6b6579739191a27331a967726f75705f69647800b26b765f63616368655f737065635f6b696e64ae66756c6c5f617474"
        "656e74696f6e00"
    ),
    [stored([17729086349936108619], None, TOKENS_VLLM, 32, salt="s1")],
    timestamp=struct.unpack(">d", bytes.fromhex("41dac1178ff8353d"))[0],
    rank=0,
)
good(
    "recorded: vLLM 0.32, AllBlocksCleared",
    bytes.fromhex("93cb41dac117aabde3539181a474797065b0416c6c426c6f636b73436c656172656400"),
    [CLEARED],
    rank=0,
)
good(
    "recorded: llm-d-inference-sim 0.9.2, BlockRemoved as an array",
    bytes.fromhex("93cb41dac116dfe420909193ac426c6f636b52656d6f76656491cf42194653a7c8c079a347505500"),
    [removed([0x42194653A7C8C079])],
    profile="llmd-sim",
    rank=0,
)
good(
    "after a recording: llm-d-inference-sim, the parent 0 starts a prompt",
    [1795448383.5, [["BlockStored", [wide(0x42194653A7C8C079, "u64"), wide(0xD358D9EBB5016F, "u64")],
                     wide(0, "u64"), list(range(300, 332)), 16, None, "GPU", None, None]], 0],
    [stored([0x42194653A7C8C079, 0xD358D9EBB5016F], None, list(range(300, 332)), 16)],
    profile="llmd-sim",
    rank=0,
)  # fmt: skip
good(
    "the parent 0 is a block for vLLM",
    [1.5, [["BlockStored", [7], 0, [1, 2], 2, None]]],
    [stored([7], 0, [1, 2], 2)],
)

# ---------------------------------------------------------------- four ways to write one batch
FIELDS = {
    "block_hashes": [11, 12],
    "parent_block_hash": 10,
    "token_ids": [1, 2, 3, 4],
    "block_size": 2,
    "lora_id": None,
    "medium": "GPU",
}
EVENT_ARRAY = ["BlockStored", *FIELDS.values()]
EVENT_MAP = {"type": "BlockStored"} | FIELDS
WANT = [stored([11, 12], 10, [1, 2, 3, 4], 2), removed([9]), CLEARED]
for name, events in (
    ("arrays", [EVENT_ARRAY, ["BlockRemoved", [9], "GPU"], ["AllBlocksCleared"]]),
    ("maps", [EVENT_MAP, {"type": "BlockRemoved", "block_hashes": [9], "medium": "GPU"}, {"type": "AllBlocksCleared"}]),
):
    good(f"batch array, event {name}", [2.5, events, 3], WANT, timestamp=2.5, rank=3)
    good(f"batch array without rank, event {name}", [2.5, events], WANT, timestamp=2.5)
    good(f"batch array, rank nil, event {name}", [2.5, events, None], WANT, timestamp=2.5)
    good(f"batch array with a tag, event {name}", ["KVEventBatch", 2.5, events, 3], WANT, timestamp=2.5, rank=3)
    good(
        f"batch map, event {name}", {"ts": 2.5, "events": events, "data_parallel_rank": 3}, WANT, timestamp=2.5, rank=3
    )
    good(
        f"batch map with a tag, event {name}",
        {"type": "KVEventBatch", "ts": 2.5, "events": events},
        WANT,
        timestamp=2.5,
    )
good(
    "batch map in another order", {"attn_dp_rank": 1, "events": [EVENT_ARRAY], "ts": 2}, WANT[:1], timestamp=2.0, rank=1
)
good(
    "an event map whose type comes last",
    [1.0, [FIELDS | {"type": "BlockStored"}]],
    WANT[:1],
)
good("no events", [1.0, []], [])
good("the time as an integer", [wide(1795448383, "u32"), []], [], timestamp=1795448383.0)
good("the time as a float32", [Raw(b"\xca" + struct.pack(">f", 2.5)), []], [], timestamp=2.5)
good("no time", [None, []], [], timestamp=0.0)

# ---------------------------------------------------------------- every layout that was ever published
FULL = [
    "BlockStored",
    [21],
    20,
    [5, 6],
    2,
    4,
    "CPU",
    "adapter-a",
    [["adapter-a", "salt"]],
    0,
    "full_attention",
    None,
    "LOCAL",
    None,
    None,
]
HISTORY: list[tuple[int, str, Row]] = [
    (6, "2025-04: up to lora_id", {"lora_id": 4}),
    (7, "2025: medium", {"lora_id": 4, "tier": "host"}),
    (8, "2025-12: lora_name", {"lora_id": 4, "tier": "host", "lora_name": "adapter-a"}),
    (9, "2026: extra_keys", {"lora_id": 4, "tier": "host", "lora_name": "adapter-a", "extras": [True]}),
    (10, "2026: group_idx", {"lora_id": 4, "tier": "host", "lora_name": "adapter-a", "extras": [True]}),
    (12, "2026: kv_cache_spec", {"lora_id": 4, "tier": "host", "lora_name": "adapter-a", "extras": [True]}),
    (15, "2026: locality, ownership, session_id", {"lora_id": 4, "tier": "host", "lora_name": "adapter-a", "extras": [True]}),
]  # fmt: skip
for length, when, more in HISTORY:
    # The block has a parent, so that its text is no salt.
    good(f"vLLM array, {when}", [1.0, [FULL[:length]]], [stored([21], 20, [5, 6], 2, **more)])
ROOT = list(FULL)
ROOT[2] = None
good("vLLM array, salt in the first block", [1.0, [ROOT]],
     [stored([21], None, [5, 6], 2, lora_id=4, tier="host", lora_name="adapter-a", salt="salt")])  # fmt: skip
good("vLLM array with fields to come", [1.0, [[*FULL[:6], "GPU", None, None, None, None, None, None, None, None, {"new": [1]}, 7]]],
     [stored([21], 20, [5, 6], 2, lora_id=4)], unknown_fields=2)  # fmt: skip
good("BlockRemoved arrays",
     [1.0, [["BlockRemoved", [1, 2]], ["BlockRemoved", [3], None], ["BlockRemoved", [4], "CPU"], ["BlockRemoved", [5], "STORAGE", 0],
            ["BlockRemoved", [6], "GPU", 2, "LOCAL", None]]],
     [removed([1, 2]), removed([3]), removed([4], tier="host"), removed([5], tier="disk"), removed([6], group=2)])  # fmt: skip
good(
    "a map with fields to come",
    [1.0, [EVENT_MAP | {"color": "green", "shape": {"a": [1, {"b": 2}]}}]],
    WANT[:1],
    unknown_fields=2,
)
good("unknown events are skipped", [1.0, [["BlockMigrated", [1], {"x": -1}], {"type": "BlockUpdated", "block_hashes": "odd"}, ["AllBlocksCleared", 1]]],
     [CLEARED], unknown_events=2, unknown_fields=1)  # fmt: skip
good("a batch with fields to come", [1.0, [["AllBlocksCleared"]], 0, "x", [1]], [CLEARED], rank=0, unknown_fields=2)
good("a batch map with fields to come", {"ts": 1.0, "events": [], "epoch": 5}, [], unknown_fields=1)
for kind, full in (
    ("full_attention", True),
    ("mla_attention", True),
    ("sliding_window", False),
    ("mamba", False),
    ("chunked_local_attention", False),
):
    good(f"group of kind {kind}", [1.0, [EVENT_MAP | {"group_idx": 1, "kv_cache_spec_kind": kind}]],
         [stored([11, 12], 10, [1, 2, 3, 4], 2, group=1, full=full)])  # fmt: skip
good(
    "a sliding window",
    [1.0, [EVENT_MAP | {"kv_cache_spec_sliding_window": 4096}]],
    [stored([11, 12], 10, [1, 2, 3, 4], 2, full=False)],
)
good(
    "a remote block",
    [1.0, [EVENT_MAP | {"locality": "REMOTE"}]],
    [stored([11, 12], 10, [1, 2, 3, 4], 2, tier="external")],
)

# ---------------------------------------------------------------- hashes
DIGEST = bytes(range(0xA0, 0xC0))
LAST8 = int.from_bytes(DIGEST[-8:], "big")
for name, value, want in (
    ("32 bytes", DIGEST, LAST8),
    ("16 bytes", DIGEST[-16:], LAST8),
    ("8 bytes", DIGEST[-8:], LAST8),
    ("32 bytes behind a 16-bit length", Raw(b"\xc5\x00\x20" + DIGEST), LAST8),
    ("32 bytes behind a 32-bit length", Raw(b"\xc6\x00\x00\x00\x20" + DIGEST), LAST8),
    ("u64", wide(2**64 - 2, "u64"), 2**64 - 2),
    ("i64, negative", wide(-2, "i64"), 2**64 - 2),
    ("i8, negative", wide(-128, "i8"), 2**64 - 128),
    ("i16, negative", wide(-300, "i16"), 2**64 - 300),
    ("i32, negative", wide(-70000, "i32"), 2**64 - 70000),
    ("fixint, negative", -1, 2**64 - 1),
    ("fixint", 127, 127),
    ("u8", wide(200, "u8"), 200),
    ("u16", wide(60000, "u16"), 60000),
    ("u32", wide(4000000000, "u32"), 4000000000),
    ("i64, positive", wide(2**62, "i64"), 2**62),
):
    good(f"hash as {name}", [1.0, [["BlockStored", [value], value, [1], 1, None], ["BlockRemoved", [value]]]],
         [stored([want], want, [1], 1), removed([want])])  # fmt: skip
good("tokens of every width", [1.0, [["BlockStored", [1], None, [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, wide(5, "i64"), wide(6, "u64")], 10, None]]],
     [stored([1], None, [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 5, 6], 10)])  # fmt: skip
good(
    "a store without tokens",
    [1.0, [["BlockStored", [1, 2], None, [], 16, None, "CPU"]]],
    [stored([1, 2], None, [], 16, tier="host")],
)
good(
    "token_ids nil",
    [1.0, [["BlockStored", [1, 2], None, None, 0, None, "CPU"]]],
    [stored([1, 2], None, [], 0, tier="host")],
)
good("a store of nothing", [1.0, [["BlockStored", [], None, [], 16, None]]], [stored([], None, [], 16)])

# ---------------------------------------------------------------- media and extra keys
for medium, tier in (
    ("GPU", "device"), ("gpu", "device"), ("DEVICE", "device"), ("CPU", "host"), ("CPU_PINNED", "host"), ("CPU_TIER1", "host"),
    ("CPU_TIER2", "disk"), ("DISK", "disk"), ("NVME", "disk"), ("STORAGE", "disk"), ("EXTERNAL", "external"), ("REMOTE", "external"),
    ("NETWORK", "external"), ("SHARED", "external"),
):  # fmt: skip
    good(f"medium {medium}", [1.0, [["BlockRemoved", [1], medium]]], [removed([1], tier=tier)])
good("a medium to come", [1.0, [["BlockRemoved", [1], "CXL"]]], [removed([1], tier="external")], unknown_media=1)
for name, parent, lora, keys, more in (
    ("nil", None, None, [None], {}),
    ("empty", None, None, [[]], {}),
    ("a salt", None, None, [["s1"]], {"salt": "s1"}),
    ("adapter and salt", None, "l1", [["l1", "s1"]], {"salt": "s1", "lora_name": "l1"}),
    ("an adapter", None, "l1", [["l1"]], {"lora_name": "l1"}),
    ("an image", None, None, [[["image-hash", 3]]], {"extras": [True]}),
    ("image and salt", None, None, [[["image-hash", 3], "s1"]], {"salt": "s1", "extras": [True]}),
    ("two texts: the last is the salt", None, None, [["image-hash", "s1"]], {"salt": "s1", "extras": [True]}),
    ("salt and embeddings", None, None, [["s1", DIGEST]], {"extras": [True]}),
    ("a text below a parent is content", 9, None, [["image-hash"]], {"extras": [True]}),
):
    event: Row = {"type": "BlockStored", "block_hashes": [1], "parent_block_hash": parent, "token_ids": [1, 2], "block_size": 2,
             "lora_name": lora, "extra_keys": keys}  # fmt: skip
    good(f"extra_keys: {name}", [1.0, [event]], [stored([1], parent, [1, 2], 2, **more)])
good("extra_keys: by block", [1.0, [{"type": "BlockStored", "block_hashes": [1, 2, 3], "parent_block_hash": None, "token_ids": [1, 2, 3], "block_size": 1,
     "extra_keys": [["s1"], None, [["image-hash", -1]]]}]], [stored([1, 2, 3], None, [1, 2, 3], 1, salt="s1", extras=[False, False, True])])  # fmt: skip

# ---------------------------------------------------------------- SGLang: the same tags, other fields from [7] on
SGLANG = ["BlockStored", [31], None, [1, 2], 2, None]
good("SGLang, 6 fields", [1.0, [SGLANG], 0], [stored([31], None, [1, 2], 2)], profile="sglang", rank=0)
good(
    "SGLang, medium",
    [1.0, [[*SGLANG, "CPU_TIER1"]], 0],
    [stored([31], None, [1, 2], 2, tier="host")],
    profile="sglang",
    rank=0,
)
good("SGLang, [7] is metadata", [1.0, [[*SGLANG, "GPU", {"cache_salt": "s2", "other": [1]}]], 0],
     [stored([31], None, [1, 2], 2, salt="s2")], profile="sglang", rank=0)  # fmt: skip
good("SGLang, [7] is a list of component types", [1.0, [[*SGLANG, "GPU", ["full", "swa"]]], 0],
     [stored([31], None, [1, 2], 2)], profile="sglang", rank=0)  # fmt: skip
good(
    "SGLang, [7] is a text and no adapter",
    [1.0, [[*SGLANG, "GPU", "full"]], 0],
    [stored([31], None, [1, 2], 2)],
    profile="sglang",
    rank=0,
)
good(
    "vLLM, [7] is the adapter",
    [1.0, [[*SGLANG, "GPU", "full"]], 0],
    [stored([31], None, [1, 2], 2, lora_name="full")],
    rank=0,
)
good("SGLang, maps", [1.0, [{"type": "BlockStored", "block_hashes": [wide(-5, "i64")], "parent_block_hash": wide(-6, "i64"), "token_ids": [1],
     "block_size": 1, "metadata": {"cache_salt": "s2"}}]], [stored([2**64 - 5], 2**64 - 6, [1], 1, salt="s2")], profile="sglang")  # fmt: skip

# ---------------------------------------------------------------- refused
bad("empty", b"", "ends early")
bad("not a batch: an integer", 5, "an array was expected")
bad("not a batch: a text", "hello", "an array was expected")
bad("a batch of one field", [1.0], "a time and events")
bad("a batch map without events", {"ts": 1.0}, "no events")
bad("events twice", Raw(b"\x82" + pack("events") + b"\x90" + pack("events") + b"\x90"), "given twice")
bad("events are no array", [1.0, 7], "an array was expected")
bad("the time is a text", ["x", "y", []], "an integer was expected")
bad("bytes behind the batch", pack([1.0, []]) + b"\x00", "bytes follow")
bad("a negative rank", [1.0, [], -1], "out of range")
bad("a rank that is a text", [1.0, [], "0"], "an integer was expected")
bad("an event without a tag", [1.0, [[]]], "without a tag")
bad("an event without a type", [1.0, [{"block_hashes": [1]}]], "without a type")
bad("an event that is an integer", [1.0, [3]], "an array was expected")
bad("a tag that is an integer", [1.0, [[3]]], "a text was expected")
bad("a negative block size", [1.0, [["BlockStored", [1], None, [1], -1, None]]], "out of range")
bad("a block size of 0", [1.0, [["BlockStored", [1], None, [1], 0, None]]], "block_size of 0")
bad("a block size beyond 65536", [1.0, [["BlockStored", [1], None, [1], 65537, None]]], "out of range")
bad("a block size that is a float", [1.0, [["BlockStored", [1], None, [1], 1.0, None]]], "an integer was expected")
bad("no block size", [1.0, [["BlockStored", [1], None, [1]]]], "without block_size")
bad("no hashes", [1.0, [["BlockRemoved"]]], "without block_hashes")
bad(
    "hashes twice",
    [1.0, [Raw(b"\x83" + pack("type") + pack("BlockRemoved") + (pack("block_hashes") + pack([1])) * 2)]],
    "given twice",
)
bad("hashes that are nil", [1.0, [["BlockRemoved", None]]], "an array was expected")
bad("a hash of 7 bytes", [1.0, [["BlockRemoved", [b"1234567"]]]], "8, 16 or 32")
bad("a hash of 0 bytes", [1.0, [["BlockRemoved", [b""]]]], "8, 16 or 32")
bad("a hash that is a text", [1.0, [["BlockRemoved", ["12345678"]]]], "an integer was expected")
bad("a hash that is a float", [1.0, [["BlockRemoved", [1.0]]]], "an integer was expected")
bad("a negative token", [1.0, [["BlockStored", [1], None, [-1], 1, None]]], "out of range")
bad("a token beyond 32 bits", [1.0, [["BlockStored", [1], None, [2**32], 1, None]]], "out of range")
bad("a token that is a text", [1.0, [["BlockStored", [1], None, ["a"], 1, None]]], "an integer was expected")
bad("too few tokens", [1.0, [["BlockStored", [1, 2], None, [1, 2, 3], 2, None]]], "not block_size token_ids")
bad("too many tokens", [1.0, [["BlockStored", [1], None, [1, 2, 3], 2, None]]], "not block_size token_ids")
bad(
    "extra keys for too few blocks",
    [1.0, [["BlockStored", [1, 2], None, [1, 2], 1, None, None, None, [None]]]],
    "each block",
)
bad("extra keys that are a text", [1.0, [["BlockStored", [1], None, [1], 1, None, None, None, "x"]]], "no array")
bad("a medium that is an integer", [1.0, [["BlockRemoved", [1], 4]]], "a text was expected")
bad("the second event is bad", [1.0, [["BlockRemoved", [1]], ["BlockRemoved", 1]]], "an array was expected")
for name, claim in (("events", b"\xdd\xff\xff\xff\xff"), ("a map of fields", b"\x91\xdf\xff\xff\xff\xff")):
    bad(f"4 GiB claimed: {name}", b"\x92\xcb" + bytes(8) + claim, "longer than the rest")
for name, head in (("hashes", ["BlockRemoved"]), ("tokens", ["BlockStored", [1], None])):
    body = pack(head)
    bad(
        f"4 GiB claimed: {name}",
        b"\x92\xcb" + bytes(8) + b"\x91" + bytes([0x90 | len(head) + 1]) + body[1:] + b"\xdd\xff\xff\xff\xff",
        "longer than the rest",
    )
for name, claim in (
    ("text", b"\xdb\xff\xff\xff\xff"),
    ("bytes", b"\xc6\xff\xff\xff\xff"),
    ("ext", b"\xc9\xff\xff\xff\xff\x00"),
):
    bad(
        f"4 GiB claimed: {name}", b"\x92\xcb" + bytes(8) + b"\x91\x92" + pack("Unknown") + claim, "longer than the rest"
    )
good("32 values deep", [1.0, [["Unknown", Raw(b"\x91" * 31 + b"\x90")]]], [], unknown_events=1)
bad("33 values deep", [1.0, [["Unknown", Raw(b"\x91" * 33 + b"\x90")]]], "nested too deeply")
bad("arrays all the way down", b"\x92\xcb" + bytes(8) + b"\x91" * 5000, "a text was expected")
bad("maps all the way down", [1.0, [["Unknown", Raw(b"\x81\xa0" * 500 + b"\x80")]]], "nested too deeply")
bad("a byte that msgpack does not use", [1.0, [["Unknown", Raw(b"\xc1")]]], "an integer was expected")
good("every type is skipped", [1.0, [["Unknown", None, True, False, 1, -1, wide(1, "i8"), wide(1, "u64"), 1.5, Raw(b"\xca" + bytes(4)), "t",
     Raw(b"\xd9\x01a"), Raw(b"\xda\x00\x01a"), Raw(b"\xdb\x00\x00\x00\x01a"), b"b", Raw(b"\xc5\x00\x01b"), Raw(b"\xc6\x00\x00\x00\x01b"),
     Raw(b"\xd4\x01a"), Raw(b"\xd5\x01ab"), Raw(b"\xd6\x01abcd"), Raw(b"\xd7\x01" + bytes(8)), Raw(b"\xd8\x01" + bytes(16)),
     Raw(b"\xc7\x01\x05a"), Raw(b"\xc8\x00\x01\x05a"), Raw(b"\xc9\x00\x00\x00\x01\x05a"), [], {}, [[1], {"a": {}}],
     Raw(b"\xdc\x00\x01\xc0"), Raw(b"\xdd\x00\x00\x00\x01\xc0"), Raw(b"\xde\x00\x01\xc0\xc0"), Raw(b"\xdf\x00\x00\x00\x01\xc0\xc0")]]],
     [], unknown_events=1)  # fmt: skip


# ---------------------------------------------------------------- metrics pages
def number(value: float) -> str:
    """As prometheus_client writes it."""
    if value == math.inf:
        return "+Inf"
    if value >= 1e6:
        mantissa, exponent = f"{value:.17e}".split("e")
        del mantissa
        digits = repr(value / 10 ** int(exponent))
        if float(f"{digits}e{int(exponent)}") != value:
            digits = f"{value:.16e}".split("e")[0]
        return f"{digits}e+{int(exponent):02d}"
    return repr(float(value))


def series(name: str, value: float, **labels: str) -> str:
    inside = ",".join(f'{key}="{text}"' for key, text in sorted(labels.items()))
    return f"{name}{{{inside}}} {number(value)}" if inside else f"{name} {number(value)}"


def one_two_five(limit: int) -> list[float]:
    return [float(m * 10**e) for e in range(7) for m in (1, 2, 5) if m * 10**e <= limit]


LONG = [
    0.3,
    0.5,
    0.8,
    1.0,
    1.5,
    2.0,
    2.5,
    5.0,
    10.0,
    15.0,
    20.0,
    30.0,
    40.0,
    50.0,
    60.0,
    120.0,
    240.0,
    480.0,
    960.0,
    1920.0,
    7680.0,
]
ITL = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0]
TTFT = [
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
    160.0,
    640.0,
    2560.0,
]
STEPS = [1.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0]
HISTOGRAMS = [
    ("iteration_tokens_total", "Histogram of number of tokens per engine_step.", STEPS, 301.7),
    ("time_to_first_token_seconds", "Histogram of time to first token in seconds.", TTFT, 0.21),
    ("inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", ITL, 0.033),
    ("request_time_per_output_token_seconds", "Histogram of time_per_output_token_seconds per request.", ITL, 0.031),
    ("e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", LONG, 7.3),
    ("request_queue_time_seconds", "Histogram of time spent in WAITING phase for request.", LONG, 0.11),
    ("request_inference_time_seconds", "Histogram of time spent in RUNNING phase for request.", LONG, 7.1),
    ("request_prefill_time_seconds", "Histogram of time spent in PREFILL phase for request.", LONG, 0.4),
    ("request_decode_time_seconds", "Histogram of time spent in DECODE phase for request.", LONG, 6.7),
    ("request_prompt_tokens", "Number of prefill tokens processed.", one_two_five(131072), 2900.0),
    ("request_generation_tokens", "Number of generation tokens processed.", one_two_five(131072), 230.0),
    ("request_max_num_generation_tokens", "Histogram of maximum number of requested generation tokens.", one_two_five(131072), 511.0),
    ("request_params_n", "Histogram of the n request parameter.", [1.0, 2.0, 5.0, 10.0, 20.0], 1.0),
    ("request_params_max_tokens", "Histogram of the max_tokens request parameter.", one_two_five(131072), 512.0),
    ("request_num_preemptions", "Histogram of preemptions per request.", [0.0, 1.0, 2.0, 5.0, 10.0], 0.1),
    ("request_prefill_kv_computed_tokens", "Histogram of new KV tokens computed during prefill.", one_two_five(131072), 900.0),
]  # fmt: skip
GAUGES = [
    ("num_requests_running", "Number of requests in model execution batches.", 143.0, {}),
    ("num_requests_waiting", "Number of requests waiting to be processed.", 17.0, {}),
    ("num_requests_waiting_by_reason", "Number of requests waiting, by reason.", None, {"reason": {"capacity": 16.0, "deferred": 1.0}}),
    ("engine_sleep_state", "Engine sleep state.", None, {"sleep_state": {"awake": 1.0, "weights_offloaded": 0.0, "discard_all": 0.0}}),
    ("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", 0.8734177215189873, {}),
]  # fmt: skip
COUNTERS = [
    ("prefix_cache_queries", "Prefix cache queries, in terms of number of queried tokens.", 161284917.0, {}),
    ("prefix_cache_hits", "Prefix cache hits, in terms of number of cached tokens.", 104829744.0, {}),
    ("external_prefix_cache_queries", "External prefix cache queries.", 0.0, {}),
    ("external_prefix_cache_hits", "External prefix cache hits.", 0.0, {}),
    ("mm_cache_queries", "Multi-modal cache queries, in terms of number of queried items.", 0.0, {}),
    ("mm_cache_hits", "Multi-modal cache hits, in terms of number of cached items.", 0.0, {}),
    ("num_preemptions", "Cumulative number of preemption from the engine.", 812.0, {}),
    ("prompt_tokens", "Number of prefill tokens processed.", 161284917.0, {}),
    ("prompt_tokens_by_source", "Number of prefill tokens, by source.", None,
     {"source": {"local_compute": 56455173.0, "local_cache_hit": 104829744.0, "external_kv_transfer": 0.0}}),
    ("prompt_tokens_cached", "Number of cached prefill tokens.", 104829744.0, {}),
    ("generation_tokens", "Number of generation tokens processed.", 12791334.0, {}),
    ("request_success", "Count of successfully processed requests.", None,
     {"finished_reason": {"stop": 40321.0, "length": 15020.0, "abort": 271.0, "error": 3.0, "repetition": 0.0}}),
    ("admission_rejections", "Requests refused at admission.", 0.0, {}),
    ("estimated_flops_per_gpu", "Estimated floating point operations.", 0.0, {}),
    ("estimated_read_bytes_per_gpu", "Estimated bytes read.", 0.0, {}),
    ("estimated_write_bytes_per_gpu", "Estimated bytes written.", 0.0, {}),
]  # fmt: skip
CACHE_CONFIG = {
    "block_size": "16", "cache_dtype": "auto", "calculate_kv_scales": "False", "cpu_kvcache_space_bytes": "None", "cpu_offload_gb": "0",
    "enable_prefix_caching": "True", "engine": "0", "gpu_memory_utilization": "0.9", "is_attention_free": "False",
    "kv_cache_memory_bytes": "None", "kv_cache_size_tokens": "505600", "kv_offloading_backend": "None", "kv_offloading_size": "None",
    "kv_sharing_fast_prefill": "False", "mamba_block_size": "None", "mamba_cache_dtype": "auto", "mamba_page_size_padded": "None",
    "mamba_ssm_cache_dtype": "auto", "num_cpu_blocks": "None", "num_gpu_blocks": "31600", "num_gpu_blocks_override": "None",
    "prefix_caching_hash_algo": "sha256", "sliding_window": "None", "swap_space": "4", "swap_space_bytes": "4294967296", "user_specified_block_size": "False",
}  # fmt: skip
BUSY_LATENCIES = {
    "time_to_first_token_seconds": "ttft_s", "inter_token_latency_seconds": "itl_s", "e2e_request_latency_seconds": "e2e_s", "request_queue_time_seconds": "queue_s",
}  # fmt: skip


def busy_page() -> tuple[str, Row]:
    """The text of a busy vLLM and what is to be read from it."""
    lines: list[str] = []
    own = {"engine": "0", "model_name": "meta-llama/Llama-3.1-8B-Instruct"}

    def family(name: str, about: str, kind: str) -> None:
        lines.extend((f"# HELP {name} {about}", f"# TYPE {name} {kind}"))

    for name, kind, rows in (
        ("python_gc_objects_collected_total", "counter", [({"generation": str(i)}, 10000.0 - 7 * i) for i in range(3)]),
        ("python_info", "gauge", [({"implementation": "CPython", "major": "3", "minor": "12", "patchlevel": "3", "version": "3.12.3"}, 1.0)]),
        ("process_virtual_memory_bytes", "gauge", [({}, 43021275136.0)]),
        ("process_resident_memory_bytes", "gauge", [({}, 5221408768.0)]),
        ("process_start_time_seconds", "gauge", [({}, 1795448000.12)]),
        ("process_cpu_seconds_total", "counter", [({}, 8123.45)]),
        ("process_open_fds", "gauge", [({}, 231.0)]),
    ):  # fmt: skip
        family(name, f"{name} of the process.", kind)
        lines.extend(series(name, value, **labels) for labels, value in rows)
    for name, about, value, by in GAUGES:
        family(f"vllm:{name}", about, "gauge")
        if value is not None:
            lines.append(series(f"vllm:{name}", value, **own))
        lines.extend(
            series(f"vllm:{name}", x, **own, **{label: text}) for label, rows in by.items() for text, x in rows.items()
        )
    for name, about, value, by in COUNTERS:
        rows = (
            [({}, value)]
            if value is not None
            else [({label: text}, x) for label, v in by.items() for text, x in v.items()]
        )
        family(f"vllm:{name}_total", about, "counter")
        lines.extend(series(f"vllm:{name}_total", x, **own, **labels) for labels, x in rows)
        family(f"vllm:{name}_created", about, "gauge")
        lines.extend(
            series(f"vllm:{name}_created", 1795448012.5 + i, **own, **labels) for i, (labels, _) in enumerate(rows)
        )
    family("vllm:cache_config_info", "Information of the LLMEngine CacheConfig", "gauge")
    lines.append(series("vllm:cache_config_info", 1.0, **CACHE_CONFIG))
    latencies = {}
    for name, about, bounds, mean in HISTOGRAMS:
        family(f"vllm:{name}", about, "histogram")
        count = 1200000 if name == "inter_token_latency_seconds" else 55615
        # A made-up distribution: the share below a bound x is x / (x + mean).
        cumulative = [round(count * (x / (x + mean))) for x in bounds] + [count]
        total = round(count * mean, 6)
        for bound, below in zip([*bounds, math.inf], cumulative, strict=True):
            lines.append(series(f"vllm:{name}_bucket", float(below), le=number(bound), **own))
        lines.append(series(f"vllm:{name}_count", float(count), **own))
        lines.append(series(f"vllm:{name}_sum", total, **own))
        family(f"vllm:{name}_created", about, "gauge")
        lines.append(series(f"vllm:{name}_created", 1795448012.75, **own))
        if name in BUSY_LATENCIES:
            latencies[BUSY_LATENCIES[name]] = {
                "bounds": [*bounds, None],
                "cumulative": cumulative,
                "count": count,
                "sum": total,
            }
    family("vllm:lora_requests_info", "Running stats on lora requests.", "gauge")
    for waiting, running, when in (
        ("", "sql", 1795448300.25),
        ("chat,sum", "sql, chat", 1795448383.5),
        ("chat", "", 1795448383.25),
    ):
        lines.append(
            series(
                "vllm:lora_requests_info",
                when,
                max_lora="4",
                running_lora_adapters=running,
                waiting_lora_adapters=waiting,
            )
        )
    for handler in ("/health", "/metrics", "/v1/models", "/v1/chat/completions", "/v1/completions", "/tokenize"):
        for status in ("2xx", "4xx"):
            lines.append(
                series("http_requests_total", 100.0 * len(handler), handler=handler, method="POST", status=status)
            )
            for bound in (0.1, 0.5, 1.0, math.inf):
                lines.append(
                    series(
                        "http_request_duration_seconds_bucket",
                        50.0,
                        handler=handler,
                        le=number(bound),
                        method="POST",
                        status=status,
                    )
                )
    return "\n".join(lines) + "\n", {
        "signals": {
            "running": 143, "waiting": 17, "kv_usage": 0.8734177215189873, "kv_total_blocks": 31600, "kv_total_tokens": 505600,
            "block_tokens": 16, "prefix_hits": 104829744, "prefix_queries": 161284917, "external_prefix_hits": 0,
            "external_prefix_queries": 0, "prompt_tokens": 161284917, "generation_tokens": 12791334, "preemptions": 812, "finished": 55615,
        },
        "latencies": latencies,
        "adapters": {"maximum": 4, "running": ["chat", "sql"], "waiting": ["chat", "sum"]},
        "models": ["meta-llama/Llama-3.1-8B-Instruct"],
    }  # fmt: skip


PAGES: list[Row] = []


def page(name: str, profile: str, text: str | list[str], expect: Row, model: str = "") -> None:
    body = {"text": text if isinstance(text, str) else "\n".join(text) + "\n"}
    PAGES.append({"name": name, "profile": profile, "model": model} | body | {"expect": expect})


V1 = 'engine="0",model_name="m"'
page("gauges of one rank", "vllm", [f"vllm:num_requests_running{{{V1}}} 6.0", f"vllm:num_requests_waiting{{{V1}}} 0.0",
     f"vllm:kv_cache_usage_perc{{{V1}}} 0.5454545454545454"],
     {"signals": {"running": 6, "waiting": 0, "kv_usage": 0.5454545454545454}, "models": ["m"]})  # fmt: skip
page("ranks: sums and means, kept apart", "vllm",
     [f'vllm:{name}{{engine="{rank}",model_name="m"}} {value}' for name, values in (
         ("num_requests_running", (6, 4, 2)), ("kv_cache_usage_perc", (0.5, 0.25, 0.75)), ("generation_tokens_total", (10, 20, 30)))
      for rank, value in zip((10, 0, 2), values, strict=True)]
     + [f'vllm:cache_config_info{{block_size="32",engine="{rank}",num_gpu_blocks="100"}} 1.0' for rank in (0, 2, 10)],
     {"signals": {"running": 12, "kv_usage": 0.5, "generation_tokens": 60, "block_tokens": 32, "kv_total_blocks": 300, "kv_total_tokens": 9600},
      "ranks": {"0": {"running": 4, "kv_usage": 0.25}, "2": {"running": 2, "kv_usage": 0.75}, "10": {"running": 6, "kv_usage": 0.5}},
      "models": ["m"]})  # fmt: skip
page("series of one rank are summed", "vllm", [f'vllm:request_success_total{{finished_reason="{reason}",{V1}}} {n}' for reason, n in (("stop", 5), ("length", 7))],
     {"signals": {"finished": 12}, "models": ["m"]})  # fmt: skip
page("the better name wins, before or after", "vllm", [f"vllm:gpu_cache_usage_perc{{{V1}}} 0.1", f"vllm:kv_cache_usage_perc{{{V1}}} 0.2",
     f"vllm:prefix_cache_hits_total{{{V1}}} 5", f"vllm:prefix_cache_hits{{{V1}}} 6"],
     {"signals": {"kv_usage": 0.2, "prefix_hits": 5}, "models": ["m"]})  # fmt: skip
page("a better name without a usable value leaves the other", "vllm", [f"vllm:gpu_cache_usage_perc{{{V1}}} 0.1", f"vllm:kv_cache_usage_perc{{{V1}}} NaN"],
     {"signals": {"kv_usage": 0.1}, "models": ["m"], "counts": {"unusable": 1}})  # fmt: skip
page("waiting by reason where there is no total", "vllm", [f'vllm:num_requests_waiting_by_reason{{{V1},reason="{reason}"}} {n}' for reason, n in (("capacity", 2), ("deferred", 3))],
     {"signals": {"waiting": 5}, "models": ["m"]})  # fmt: skip
page(
    "missing is a state",
    "vllm",
    ["# nothing of this engine", "python_info 1.0"],
    {"signals": {}, "counts": {"other": 2, "used": 0}},
)
page("values that cannot be", "vllm", [f"vllm:num_requests_running{{{V1}}} {value}" for value in ("NaN", "+Inf", "-Inf", "-1", "1e400", "nan", "inf")]
     + [f"vllm:kv_cache_usage_perc{{{V1}}} 1.5", f"vllm:num_requests_waiting{{{V1}}} 2"],
     {"signals": {"waiting": 2}, "models": ["m"], "counts": {"unusable": 8, "used": 1}})  # fmt: skip
page("numbers in every form", "vllm", [f'vllm:request_success_total{{engine="0",n="{i}"}} {value}' for i, value in enumerate(
    ("1", "2.0", "+3", "4e0", "5E+1", "6.5e-1", "7.25", "0008", "9.", ".5", "123456789012345678", "0.1", "1e-400", "1234567.125", "9007199254740993"))],
     {"signals": {"finished": reduce(add, (1, 2, 3, 4, 50, 0.65, 7.25, 8, 9, 0.5, 123456789012345678.0, 0.1, 0, 1234567.125, 9007199254740993.0))}})  # fmt: skip
page("timestamps, exemplars, blanks, line ends", "vllm", f'vllm:num_requests_running{{{V1}}} 1 1795448383000\r\n  vllm:num_requests_waiting{{ engine = "0" , model_name="m", }}  2  \r\n'
     f'\n\t\nvllm:prompt_tokens_total{{{V1}}} 3 # {{trace_id="a"}} 0.5 1795448383.1\nvllm:generation_tokens_total\t4\t1795448383000 # {{}} 1\n'
     f"vllm:num_preemptions_total{{{V1}}} 5",
     {"signals": {"running": 1, "waiting": 2, "prompt_tokens": 3, "generation_tokens": 4, "preemptions": 5}, "models": ["m"], "counts": {"used": 5, "broken": 0}})  # fmt: skip
BROKEN = [
    "vllm:num_requests_running", "vllm:num_requests_running{", 'vllm:num_requests_running{engine="0"', 'vllm:num_requests_running{engine="0"}',
    'vllm:num_requests_running{engine="0} 1', "vllm:num_requests_running{engine=0} 1", 'vllm:num_requests_running{engine} 1',
    'vllm:num_requests_running{="0"} 1', 'vllm:num_requests_running{engine="0" model_name="m"} 1', 'vllm:num_requests_running{engine="0"} x',
    'vllm:num_requests_running{engine="0"} 1x', 'vllm:num_requests_running{engine="0"} 1 x', 'vllm:num_requests_running{engine="0"} 1 2 3',
    r'vllm:num_requests_running{engine="0",model_name="a\x"} 1', 'vllm:num_requests_running{engine="0",model_name="a\\"} 1', '{"vllm:num_requests_running"} 1',
    "<html>", '"', "0abc 1", 'vllm:num_requests_running{engine="0"} +-1', 'vllm:num_requests_running{engine="0"} 0x10', "vllm:num_requests_running {} 1 #",
]  # fmt: skip
page("broken lines are counted and skipped", "vllm", [*BROKEN[:-1], f"vllm:num_requests_waiting{{{V1}}} 2"],
     {"signals": {"waiting": 2}, "models": ["m"], "counts": {"broken": len(BROKEN) - 1, "used": 1}})  # fmt: skip
page("a name and its labels may be apart", "vllm", BROKEN[-1:], {"signals": {"running": 1}, "counts": {"broken": 0}})
page("escapes in label values", "vllm", [r'vllm:num_requests_running{engine="0",model_name="a\"b\\c\nd"} 1', r'vllm:num_requests_running{engine="0",model_name="},\"x\"=\" 1"} 2'],
     {"signals": {"running": 3}, "models": ['a"b\\c\nd', '},"x"=" 1']})  # fmt: skip
page("one of several models", "vllm", [r'vllm:num_requests_running{engine="0",model_name="a\"b"} 1', 'vllm:num_requests_running{engine="1",model_name="other"} 2',
     'vllm:num_requests_waiting{engine="0"} 4'],
     {"signals": {"running": 1, "waiting": 4}, "ranks": {"0": {"running": 1}}, "models": ['a"b', "other"], "counts": {"other_models": 1}}, model='a"b')  # fmt: skip
page("ranks that are none", "vllm", [f'vllm:num_requests_running{{engine="{rank}"}} 1' for rank in ("x", "-1", "1.5", "4294967296")] + ["vllm:num_requests_running 2"],
     {"signals": {"running": 2}, "ranks": {"0": {"running": 2}}, "counts": {"unusable": 4}})  # fmt: skip
page("adapters: the largest value, the last among equals", "vllm", [
     'vllm:lora_requests_info{max_lora="2",running_lora_adapters="a",waiting_lora_adapters=""} 5',
     'vllm:lora_requests_info{max_lora="3",running_lora_adapters=" b , a,b",waiting_lora_adapters="c"} 7',
     'vllm:lora_requests_info{max_lora="4",running_lora_adapters="x,,y",waiting_lora_adapters=""} 7',
     'vllm:lora_requests_info{max_lora="9",running_lora_adapters="late",waiting_lora_adapters=""} NaN',
     'vllm:lora_requests_info{max_lora="5",running_lora_adapters="old",waiting_lora_adapters="old"} 6.9999'],
     {"signals": {}, "adapters": {"maximum": 4, "running": ["x", "y"], "waiting": []}, "counts": {"unusable": 1}})  # fmt: skip
page("adapters: none run", "vllm", ['vllm:lora_requests_info{max_lora="1",running_lora_adapters="",waiting_lora_adapters=""} 1.7954483e+09'],
     {"signals": {}, "adapters": {"maximum": 1, "running": [], "waiting": []}})  # fmt: skip


def histogram(
    name: str, bounds: list[str], counts: list[float], total: float | None = None, **labels: str
) -> list[str]:
    lines = [f"{name}_bucket{{{','.join([f'{k}={chr(34)}{v}{chr(34)}' for k, v in labels.items()] + [f'le={chr(34)}{le}{chr(34)}'])}}} {count}"
             for le, count in zip(bounds, counts, strict=True)]  # fmt: skip
    inside = ",".join(f'{k}="{v}"' for k, v in labels.items())
    return lines + (
        [f"{name}_sum{{{inside}}} {total}", f"{name}_count{{{inside}}} {counts[-1]}"] if total is not None else []
    )


TTFT_NAME = "vllm:time_to_first_token_seconds"
page("a histogram in any order of lines", "vllm", list(reversed(histogram(TTFT_NAME, ["0.1", "0.5", "1.0", "+Inf"], [1, 5, 6, 8], 4.5, engine="0"))),
     {"signals": {}, "latencies": {"ttft_s": {"bounds": [0.1, 0.5, 1, None], "cumulative": [1, 5, 6, 8], "count": 8, "sum": 4.5}}})  # fmt: skip
page("histograms of ranks are summed where they have the same bounds", "vllm",
     histogram(TTFT_NAME, ["0.1", "0.5", "+Inf"], [1, 5, 8], 4.5, engine="0") + histogram(TTFT_NAME, ["0.1", "0.25", "+Inf"], [10, 11, 20], 2.0, engine="1"),
     {"signals": {}, "latencies": {"ttft_s": {"bounds": [0.1, None], "cumulative": [11, 28], "count": 28, "sum": 6.5}}})  # fmt: skip
page("histograms of two models of a rank are summed likewise", "vllm",
     histogram(TTFT_NAME, ["0.1", "0.5", "+Inf"], [1, 5, 8], 4.5, engine="0", model_name="a")
     + histogram(TTFT_NAME, ["0.1", "0.25", "+Inf"], [10, 11, 20], 2.0, engine="0", model_name="b"),
     {"signals": {}, "models": ["a", "b"], "latencies": {"ttft_s": {"bounds": [0.1, None], "cumulative": [11, 28], "count": 28, "sum": 6.5}}})  # fmt: skip
page("buckets without a count", "vllm", histogram(TTFT_NAME, ["0.1", "+Inf"], [1, 8], engine="0"),
     {"signals": {}, "latencies": {"ttft_s": {"bounds": [0.1, None], "cumulative": [1, 8], "count": 8, "sum": None}}})  # fmt: skip
page("a count and a sum without buckets", "vllm", [f"{TTFT_NAME}_sum 3.5", f"{TTFT_NAME}_count 7"],
     {"signals": {}, "latencies": {"ttft_s": {"bounds": [], "cumulative": [], "count": 7, "sum": 3.5}}})  # fmt: skip
page("buckets that cannot be", "vllm", [f"{TTFT_NAME}_bucket 1", f'{TTFT_NAME}_bucket{{le="x"}} 1', f'{TTFT_NAME}_bucket{{le="NaN"}} 1', f'{TTFT_NAME}_bucket{{le="0.1"}} -1',
     f'{TTFT_NAME}_bucket{{le="0.1"}} 4', f'{TTFT_NAME}_bucket{{le="0.2"}} 3', f'{TTFT_NAME}_bucket{{le="+Inf"}} 9'],
     {"signals": {}, "latencies": {"ttft_s": {"bounds": [0.1, 0.2, None], "cumulative": [4, 4, 9], "count": 9, "sum": None}}, "counts": {"unusable": 4}})  # fmt: skip
page("the newer latency wins, and the older stands in", "vllm",
     histogram("vllm:time_per_output_token_seconds", ["0.1", "+Inf"], [1, 2], 0.5, engine="0") + histogram("vllm:inter_token_latency_seconds", ["0.2", "+Inf"], [3, 4], 0.25, engine="0"),
     {"signals": {}, "latencies": {"itl_s": {"bounds": [0.2, None], "cumulative": [3, 4], "count": 4, "sum": 0.25}}})  # fmt: skip
page("llm-d-inference-sim's names", "llmd-sim", ['vllm:prefix_cache_hits{model_name="m"} 3', 'vllm:prefix_cache_queries{model_name="m"} 5',
     *histogram("vllm:time_per_output_token_seconds", ["0.1", "+Inf"], [1, 2], 0.5, model_name="m")],
     {"signals": {"prefix_hits": 3, "prefix_queries": 5}, "models": ["m"],
      "latencies": {"itl_s": {"bounds": [0.1, None], "cumulative": [1, 2], "count": 2, "sum": 0.5}}})  # fmt: skip
page("vLLM V0", "vllm-v0", ['vllm:num_requests_running{model_name="m"} 1', 'vllm:num_requests_waiting{model_name="m"} 2', 'vllm:num_requests_swapped{model_name="m"} 9',
     'vllm:gpu_cache_usage_perc{model_name="m"} 0.25', 'vllm:cache_config_info{block_size="16",num_gpu_blocks="1000"} 1',
     *histogram("vllm:time_per_output_token_seconds", ["0.1", "+Inf"], [1, 2], 0.5, model_name="m")],
     {"signals": {"running": 1, "waiting": 2, "kv_usage": 0.25, "block_tokens": 16, "kv_total_blocks": 1000, "kv_total_tokens": 16000}, "models": ["m"],
      "latencies": {"itl_s": {"bounds": [0.1, None], "cumulative": [1, 2], "count": 2, "sum": 0.5}}})  # fmt: skip
SG = [
    'engine_type="unified",model_name="m",pp_rank="0",tp_rank="0"',
    'engine_type="unified",model_name="m",pp_rank="0",tp_rank="1"',
]
page("SGLang: tensor-parallel ranks say the same, data-parallel ones do not", "sglang",
     [line for dp in (0, 1) for tp in (0, 1) for line in (
         f'sglang:num_running_reqs{{dp_rank="{dp}",{SG[tp]}}} {3 + dp}', f'sglang:num_queue_reqs{{dp_rank="{dp}",{SG[tp]}}} 2',
         f'sglang:token_usage{{dp_rank="{dp}",{SG[tp]}}} 0.5', f'sglang:max_total_num_tokens{{dp_rank="{dp}",{SG[tp]}}} 1000',
         f'sglang:cache_config_info{{dp_rank="{dp}",page_size="16",{SG[tp]}}} 1')]
     + ['sglang:prompt_tokens_total{model_name="m"} 100', 'sglang:cached_tokens_total{cache_source="device",model_name="m"} 30', 'sglang:generation_tokens_total{model_name="m"} 40'],
     {"signals": {"running": 7, "waiting": 4, "kv_usage": 0.5, "kv_total_tokens": 2000, "block_tokens": 16, "kv_total_blocks": 124, "prompt_tokens": 100,
                  "prefix_queries": 100, "prefix_hits": 30, "generation_tokens": 40}, "models": ["m"]})  # fmt: skip
page("TGI", "tgi", ["# TYPE tgi_queue_size gauge", "tgi_queue_size 3", "tgi_batch_current_size 5", 'tgi_request_success{method="generate"} 7', "tgi_request_input_length_sum 900",
     "tgi_request_input_length_count 9", "tgi_request_generated_tokens_sum 300", *histogram("tgi_request_queue_duration", ["0.001", "+Inf"], [1, 2], 0.5)],
     {"signals": {"running": 5, "waiting": 3, "prompt_tokens": 900, "generation_tokens": 300, "finished": 7},
      "latencies": {"queue_s": {"bounds": [0.001, None], "cumulative": [1, 2], "count": 2, "sum": 0.5}}})  # fmt: skip
page("trtllm-serve", "trtllm-serve", [f'trtllm_{name}{{engine_type="trtllm",model_name="m"}} {value}' for name, value in (
     ("num_requests_running", 1), ("num_requests_waiting", 2), ("kv_cache_utilization", 0.62), ("kv_cache_tokens_per_block", 32), ("kv_cache_max_blocks", 100), ("kv_cache_hit_rate", 0.4))],
     {"signals": {"running": 1, "waiting": 2, "kv_usage": 0.62, "block_tokens": 32, "kv_total_blocks": 100, "kv_total_tokens": 3200, "hit_rate": 0.4}, "models": ["m"]})  # fmt: skip
page("Triton's TensorRT-LLM backend: usage from used and max", "triton-trtllm",
     [f'nv_trt_llm_request_metrics{{model="tensorrt_llm",request_type="{kind}",version="1"}} {n}' for kind, n in (("context", 9), ("scheduled", 4), ("max", 512), ("active", 8), ("waiting", 3))]
     + [f'nv_trt_llm_kv_cache_block_metrics{{kv_cache_block_type="{kind}",model="tensorrt_llm",version="1"}} {n}' for kind, n in (("free", 30), ("used", 10), ("max", 40), ("tokens_per", 64))],
     {"signals": {"running": 4, "waiting": 3, "kv_used_blocks": 10, "kv_total_blocks": 40, "kv_usage": 0.25, "block_tokens": 64, "kv_total_tokens": 2560}, "models": ["tensorrt_llm"]})  # fmt: skip
page("llama.cpp", "llama.cpp", ["llamacpp:requests_processing 1", "llamacpp:requests_deferred 4", "llamacpp:prompt_tokens_total 512", "llamacpp:tokens_predicted_total 39080",
     "llamacpp:predicted_tokens_seconds nan"], {"signals": {"running": 1, "waiting": 4, "prompt_tokens": 512, "generation_tokens": 39080}})  # fmt: skip
page("Kthena's names", "kthena", ['kthena:num_requests_waiting{model_name="m"} 4', 'kthena:generation_tokens_total{model_name="m"} 7',
     *histogram("kthena:time_per_output_token_seconds", ["0.1", "+Inf"], [1, 2], 0.5, model_name="m")],
     {"signals": {"waiting": 4, "generation_tokens": 7}, "models": ["m"],
      "latencies": {"itl_s": {"bounds": [0.1, None], "cumulative": [1, 2], "count": 2, "sum": 0.5}}})  # fmt: skip
page("_created and a histogram that ends in _total are other things", "vllm", [f"vllm:prompt_tokens_created{{{V1}}} 1.7954e+09", f'vllm:iteration_tokens_total_bucket{{le="8.0",{V1}}} 5',
     f"vllm:iteration_tokens_total_count{{{V1}}} 5", f"vllm:prompt_tokens_total{{{V1}}} 9"],
     {"signals": {"prompt_tokens": 9}, "models": ["m"], "counts": {"other": 3, "used": 1}})  # fmt: skip


def rows(about: str, cases: list[Row]) -> str:
    names = [case["name"] for case in cases]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    lines = ",\n".join(json.dumps(case, separators=(", ", ": ")) for case in cases)
    return f'{{"about": "{about}", "cases": [\n{lines}\n]}}\n'


def llmd_sim() -> str:
    """Numbers from 1, array events, the parent 0, and names without _total. Lines "depth" are what an index must say then."""

    def encoded(sequence: int, payload: bytes) -> Row:
        frames = [b"kv@127.0.0.1@tiny", sequence.to_bytes(8, "big"), payload]
        texts = [base64.b64encode(frame).decode() for frame in frames]
        return {"kind": "frames", "engine": 0, "frames": texts}

    def blocks(time: str, hashes: list[str], parent: str, tokens: list[int]) -> bytes:
        names = bytes([0x90 + len(hashes)]) + b"".join(b"\xcf" + bytes.fromhex(h) for h in hashes)
        head = bytes.fromhex(f"93cb{time}9199ab426c6f636b53746f726564") + names + b"\xcf" + bytes.fromhex(parent)
        return head + pack(tokens) + bytes.fromhex("10c0a3475055c0c000")

    def depth(tokens: list[int], count: int) -> Row:
        return {"kind": "depth", "engine": 0, "tokens": tokens, "blocks": count}

    first, second, third = "42194653a7c8c079", "d3d358d9ebb5016f", "d3d358d9ebb50170"
    tokens = [*range(300, 348), 7]
    header = {
        "kind": "header",
        "about": "Not a recording: made by tools/gen_engine_vectors.py. The head of the first batch and the third one are bytes that "
        "llm-d-inference-sim 0.9.2 sent, the token ids and the second batch are made up; the page has its names and made-up values.",
        "run": "documented",
        "engine": "llm-d-inference-sim 0.9.2",
        "profile": "llmd-sim",
        "model": "tiny",
        "block_tokens": 16,
    }
    labels = '{model_name="tiny"}'
    page = (
        f"vllm:num_requests_running{labels} 2\nvllm:num_requests_waiting{labels} 1\nvllm:kv_cache_usage_perc{labels} 0.25\n"
        f"vllm:prefix_cache_hits{labels} 32\nvllm:prefix_cache_queries{labels} 98\n"
        'vllm:cache_config_info{block_size="16",num_gpu_blocks="1024"} 1\n'
    )
    lines = [
        header,
        depth(tokens, 0),
        encoded(1, blocks("41dac116dfd59240", [first, second], "0000000000000000", tokens[:32])),
        depth(tokens, 2),
        encoded(2, blocks("41dac116dfd6a240", [third], second, tokens[32:48])),
        depth(tokens, 3),
        depth([*tokens[:16], 1, *tokens[17:]], 1),
        encoded(3, bytes.fromhex("93cb41dac116dfe420909193ac426c6f636b52656d6f76656491cf42194653a7c8c079a347505500")),
        depth(tokens, 0),
        {"kind": "metrics", "engine": 0, "whole": False, "text": page},
    ]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def files() -> dict[str, str]:
    busy, expect = busy_page()
    first = {"name": "a busy vLLM", "profile": "vllm", "model": "", "file": "vllm_busy.txt", "expect": expect}
    about = "Made by tools/gen_engine_vectors.py; see there."
    return {
        "kv_batches.json": rows(about, CASES),
        "vllm_busy.txt": busy,
        "metrics.json": rows(about, [first, *PAGES]),
        "../recordings/llmd-sim-documented.jsonl": llmd_sim(),
    }


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    stale = []
    for name, text in files().items():
        target = TARGET / name
        if arguments == [] and not (target.exists() and target.read_bytes() == text.encode()):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())
        elif not target.exists() or target.read_bytes() != text.encode():
            stale.append(name)
    if stale:
        print(f"stale: {', '.join(stale)}; run tools/gen_engine_vectors.py")
        return 1
    print(f"{len(CASES)} batches and {len(PAGES) + 1} pages agree")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
