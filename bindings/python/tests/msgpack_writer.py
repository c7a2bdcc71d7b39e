"""A writer of the msgpack that engines publish, enough for tests; shares nothing with the decoder."""

from __future__ import annotations

import struct
from typing import Any


def pack(value: Any) -> bytes:
    if value is None:
        return b"\xc0"
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, int):
        return bytes([value]) if 0 <= value < 128 else b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, str):
        text = value.encode()
        return b"\xd9" + bytes([len(text)]) + text
    return b"\xdd" + struct.pack(">I", len(value)) + b"".join(map(pack, value))


def stored(hashes: list[int], tokens: list[int], parent: int | None = None, block_tokens: int = 4) -> list[Any]:
    """vLLM's array form."""
    return ["BlockStored", hashes, parent, tokens, block_tokens, None, "GPU", None]


def removed(hashes: list[int]) -> list[Any]:
    return ["BlockRemoved", hashes, "GPU"]


def batch(timestamp_s: float, events: list[Any], rank: int = 0) -> bytes:
    return pack([float(timestamp_s), events, rank])
