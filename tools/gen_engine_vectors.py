#!/usr/bin/env python3
"""Makes the golden batches of KV events: tests/vectors/engine/kv_batches.json.

    tools/gen_engine_vectors.py           write the file
    tools/gen_engine_vectors.py --check   write nothing; exit code 1 when the file is stale

Each case is a payload in hex and what a decoder must say about it: the events, or that the batch is refused. The msgpack writer
below is this file's own and shares nothing with the decoder. Batches named "recorded" are bytes of real engines.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "tests/vectors/engine/kv_batches.json"


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
def stored(hashes: list[int], parent: int | None, tokens: list[int], block: int, **more: object) -> dict:
    event = {"kind": "stored", "hashes": hashes, "parent": parent, "tokens": tokens, "block_tokens": block}
    return event | more


def removed(hashes: list[int], **more: object) -> dict:
    return {"kind": "removed", "hashes": hashes} | more


CLEARED = {"kind": "cleared"}
CASES: list[dict] = []


def good(name: str, payload: bytes | object, events: list[dict], profile: str = "vllm", **more: object) -> None:
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
FIELDS = {"block_hashes": [11, 12], "parent_block_hash": 10, "token_ids": [1, 2, 3, 4], "block_size": 2, "lora_id": None, "medium": "GPU"}
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
    good(f"batch map, event {name}", {"ts": 2.5, "events": events, "data_parallel_rank": 3}, WANT, timestamp=2.5, rank=3)
    good(f"batch map with a tag, event {name}", {"type": "KVEventBatch", "ts": 2.5, "events": events}, WANT, timestamp=2.5)
good("batch map in another order", {"attn_dp_rank": 1, "events": [EVENT_ARRAY], "ts": 2}, WANT[:1], timestamp=2.0, rank=1)
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
FULL = ["BlockStored", [21], 20, [5, 6], 2, 4, "CPU", "adapter-a", [["adapter-a", "salt"]], 0, "full_attention", None, "LOCAL", None, None]
HISTORY = [
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
good("a map with fields to come", [1.0, [EVENT_MAP | {"color": "green", "shape": {"a": [1, {"b": 2}]}}]], WANT[:1], unknown_fields=2)
good("unknown events are skipped", [1.0, [["BlockMigrated", [1], {"x": -1}], {"type": "BlockUpdated", "block_hashes": "odd"}, ["AllBlocksCleared", 1]]],
     [CLEARED], unknown_events=2, unknown_fields=1)  # fmt: skip
good("a batch with fields to come", [1.0, [["AllBlocksCleared"]], 0, "x", [1]], [CLEARED], rank=0, unknown_fields=2)
good("a batch map with fields to come", {"ts": 1.0, "events": [], "epoch": 5}, [], unknown_fields=1)
for kind, full in (("full_attention", True), ("mla_attention", True), ("sliding_window", False), ("mamba", False), ("chunked_local_attention", False)):
    good(f"group of kind {kind}", [1.0, [EVENT_MAP | {"group_idx": 1, "kv_cache_spec_kind": kind}]],
         [stored([11, 12], 10, [1, 2, 3, 4], 2, group=1, full=full)])  # fmt: skip
good("a sliding window", [1.0, [EVENT_MAP | {"kv_cache_spec_sliding_window": 4096}]], [stored([11, 12], 10, [1, 2, 3, 4], 2, full=False)])
good("a remote block", [1.0, [EVENT_MAP | {"locality": "REMOTE"}]], [stored([11, 12], 10, [1, 2, 3, 4], 2, tier="external")])

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
good("a store without tokens", [1.0, [["BlockStored", [1, 2], None, [], 16, None, "CPU"]]], [stored([1, 2], None, [], 16, tier="host")])
good("token_ids nil", [1.0, [["BlockStored", [1, 2], None, None, 0, None, "CPU"]]], [stored([1, 2], None, [], 0, tier="host")])
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
    event = {"type": "BlockStored", "block_hashes": [1], "parent_block_hash": parent, "token_ids": [1, 2], "block_size": 2,
             "lora_name": lora, "extra_keys": keys}  # fmt: skip
    good(f"extra_keys: {name}", [1.0, [event]], [stored([1], parent, [1, 2], 2, **more)])
good("extra_keys: by block", [1.0, [{"type": "BlockStored", "block_hashes": [1, 2, 3], "parent_block_hash": None, "token_ids": [1, 2, 3], "block_size": 1,
     "extra_keys": [["s1"], None, [["image-hash", -1]]]}]], [stored([1, 2, 3], None, [1, 2, 3], 1, salt="s1", extras=[False, False, True])])  # fmt: skip

# ---------------------------------------------------------------- SGLang: the same tags, other fields from [7] on
SGLANG = ["BlockStored", [31], None, [1, 2], 2, None]
good("SGLang, 6 fields", [1.0, [SGLANG], 0], [stored([31], None, [1, 2], 2)], profile="sglang", rank=0)
good("SGLang, medium", [1.0, [[*SGLANG, "CPU_TIER1"]], 0], [stored([31], None, [1, 2], 2, tier="host")], profile="sglang", rank=0)
good("SGLang, [7] is metadata", [1.0, [[*SGLANG, "GPU", {"cache_salt": "s2", "other": [1]}]], 0],
     [stored([31], None, [1, 2], 2, salt="s2")], profile="sglang", rank=0)  # fmt: skip
good("SGLang, [7] is a list of component types", [1.0, [[*SGLANG, "GPU", ["full", "swa"]]], 0],
     [stored([31], None, [1, 2], 2)], profile="sglang", rank=0)  # fmt: skip
good("SGLang, [7] is a text and no adapter", [1.0, [[*SGLANG, "GPU", "full"]], 0], [stored([31], None, [1, 2], 2)], profile="sglang", rank=0)
good("vLLM, [7] is the adapter", [1.0, [[*SGLANG, "GPU", "full"]], 0], [stored([31], None, [1, 2], 2, lora_name="full")], rank=0)
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
bad("hashes twice", [1.0, [Raw(b"\x83" + pack("type") + pack("BlockRemoved") + (pack("block_hashes") + pack([1])) * 2)]], "given twice")
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
bad("extra keys for too few blocks", [1.0, [["BlockStored", [1, 2], None, [1, 2], 1, None, None, None, [None]]]], "each block")
bad("extra keys that are a text", [1.0, [["BlockStored", [1], None, [1], 1, None, None, None, "x"]]], "no array")
bad("a medium that is an integer", [1.0, [["BlockRemoved", [1], 4]]], "a text was expected")
bad("the second event is bad", [1.0, [["BlockRemoved", [1]], ["BlockRemoved", 1]]], "an array was expected")
for name, claim in (("events", b"\xdd\xff\xff\xff\xff"), ("a map of fields", b"\x91\xdf\xff\xff\xff\xff")):
    bad(f"4 GiB claimed: {name}", b"\x92\xcb" + bytes(8) + claim, "longer than the rest")
for name, head in (("hashes", ["BlockRemoved"]), ("tokens", ["BlockStored", [1], None])):
    body = pack(head)
    bad(f"4 GiB claimed: {name}", b"\x92\xcb" + bytes(8) + b"\x91" + bytes([0x90 | len(head) + 1]) + body[1:] + b"\xdd\xff\xff\xff\xff", "longer than the rest")
for name, claim in (("text", b"\xdb\xff\xff\xff\xff"), ("bytes", b"\xc6\xff\xff\xff\xff"), ("ext", b"\xc9\xff\xff\xff\xff\x00")):
    bad(f"4 GiB claimed: {name}", b"\x92\xcb" + bytes(8) + b"\x91\x92" + pack("Unknown") + claim, "longer than the rest")
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


def text() -> str:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    rows = ",\n".join(json.dumps(case, separators=(", ", ": ")) for case in CASES)
    return '{"about": "Made by tools/gen_engine_vectors.py; see there.", "cases": [\n' + rows + "\n]}\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text():
            print(f"{len(CASES)} cases agree")
            return 0
        print(f"{TARGET.name} is stale, run tools/gen_engine_vectors.py")
        return 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
