"""KV events (msgpack batches over ZMQ) to a prefix index: every batch once and in order, gaps replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

from kthena import _core
from kthena.prefix import PrefixIndex

Payload: TypeAlias = bytes | bytearray | memoryview

#: The sequence number that ends a replay.
REPLAY_END = 2**64 - 1


class KvOutcome(IntEnum):
    """What a message came to."""

    APPLIED = 0
    DUPLICATE = 1  #: came before; dropped
    HELD_BACK = 2  #: lies behind a gap; the replay brings it again
    ENDED = 3  #: it was the end of a replay, or none came


class KvState(IntEnum):
    """Where a stream stands."""

    WAITING = 0  #: nothing was seen yet
    LIVE = 1  #: the index has everything that was published
    CATCHING_UP = 2  #: a gap is open: the index is stale until it is filled or given up


class ReplayRequest(NamedTuple):
    """Ask the publisher for its batches from `first` on; everything up to and with `last` is missing."""

    first: int
    last: int


class KvStep(NamedTuple):
    """What became of a message. Counts are of this message; blocks are the index's."""

    outcome: KvOutcome
    state: KvState  #: of the stream after it
    cleared: bool  #: the index was first told that the worker holds nothing: it restarted, or batches are lost
    replay: ReplayRequest | None  #: ask for this, and give the answers to `feed_replay`
    stored_blocks: int
    removed_blocks: int
    clears: int
    unknown_events: int
    unknown_fields: int
    unknown_media: int  #: taken for external
    other_groups: int  #: events of KV cache groups that are not indexed
    unmapped: int  #: engine blocks that fit no block of the index: size, parent, no tokens
    over_limits: int  #: engine blocks beyond `max_tracked_blocks`
    refused: int  #: events that the index refused; the others were applied


class KvStreamInfo(NamedTuple):
    """Counts of a stream since it was made."""

    state: KvState
    next_sequence: int  #: of the batch that is applied next
    applied: int  #: batches
    duplicates: int
    held_back: int
    gaps: int
    lost: int  #: gaps that could not be filled
    restarts: int
    malformed: int  #: payloads that were refused
    tracked_blocks: int  #: blocks that are remembered beside the index, now


class KvStream:
    """The KV events of one publisher (one per data-parallel rank), into one worker of a prefix index.

    `profile`: which engine it is (`profiles()`). `worker`: its number in the index (`PrefixIndex.add_worker`). `model`:
    served model, for the namespace; adapter and cache salt come from the events. `group`: the KV cache group that is
    indexed. `replay`: the publisher answers replay requests; without, a gap is at once one that cannot be filled.
    `rank`: batches of another data-parallel rank are refused. `max_bytes` (0: 16 MiB) and `max_tracked_blocks`
    (0: 4194304) bound memory. Block size and seed are taken from the index that is fed first.

    Threads: any number; they wait for one another, and for nobody else's look-ups longer than a batch takes.
    """

    __slots__ = ("_stream", "profile", "worker")

    def __init__(
        self,
        profile: str,
        *,
        worker: int = 0,
        model: str = "",
        group: int = 0,
        replay: bool = True,
        rank: int | None = None,
        max_bytes: int = 0,
        max_tracked_blocks: int = 0,
    ) -> None:
        self.profile = profile
        self.worker = worker
        self._stream = _core.KvStream(
            profile,
            worker=worker,
            model=model,
            group=group,
            replay=replay,
            rank=rank,
            max_bytes=max_bytes,
            max_tracked_blocks=max_tracked_blocks,
        )

    def feed(self, message: Payload | Sequence[Payload], index: PrefixIndex, *, sequence: int | None = None) -> KvStep:
        """A live message: its frames (`[topic, sequence, payload]`), or its payload and its sequence number.

        A payload without a number is taken for the next one, so gaps are not seen. On an error nothing was applied: an
        InvalidArgumentError for bytes that are no batch names the place.
        """
        number, payload = _taken_apart(message, sequence)
        return _step(self._stream.feed(payload, index, number))

    def feed_replay(
        self, message: Payload | Sequence[Payload], index: PrefixIndex, *, sequence: int | None = None
    ) -> KvStep:
        """A message of a replay, as `feed`; the number `REPLAY_END` ends it."""
        number, payload = _taken_apart(message, sequence)
        if number is None:
            raise TypeError("a payload of a replay needs its sequence number")
        return _step(self._stream.feed_replay(payload, index, number))

    def replay_failed(self, index: PrefixIndex) -> KvStep:
        """No replay will come: clears the worker if a gap is open, and goes on with what is live."""
        return _step(self._stream.replay_failed(index))

    @property
    def state(self) -> KvState:
        """Whether the index has everything that was published."""
        return KvState(self._stream.info()["state"])

    def info(self) -> KvStreamInfo:
        """Counts since the stream was made."""
        info = self._stream.info()
        return KvStreamInfo(KvState(info.pop("state")), **info)

    def __repr__(self) -> str:
        return f"<kthena.engine.KvStream of {self.profile}, worker {self.worker}, {self.state.name}>"


def read_kv_message(frames: Sequence[Payload]) -> tuple[int, Payload]:
    """Sequence number and payload of a message: the last two of its frames."""
    if len(frames) < 2:
        raise ValueError(f"frames: {len(frames)} where at least 2 are needed")
    return _core.kv_message_sequence(frames[-2]), frames[-1]


def _taken_apart(message: Payload | Sequence[Payload], sequence: int | None) -> tuple[int | None, Payload]:
    if isinstance(message, (bytes, bytearray, memoryview)):
        return sequence, message
    if sequence is not None:
        raise TypeError("give frames or a sequence number, not both")
    return read_kv_message(message)


def decode_kv_events(payload: Payload, profile: str) -> dict[str, Any]:
    """One batch, decoded and checked, to look at it (docs/schemas/kv_batch.schema.json). `KvStream` feeds an index."""
    batch: dict[str, Any] = json.loads(_core.kv_batch_json(profile, payload))
    return batch


def _step(parts: tuple[Any, ...]) -> KvStep:
    outcome, state, cleared, replay, *counts = parts
    wanted = None if replay is None else ReplayRequest(*replay)
    return KvStep(KvOutcome(outcome), KvState(state), cleared, wanted, *counts)
