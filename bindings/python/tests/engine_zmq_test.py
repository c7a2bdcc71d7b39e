"""The subscriber against a real ZMQ publisher in this process, made as vLLM's: PUB for batches, ROUTER for replays."""

from __future__ import annotations

import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import kthena
import pytest
from kthena import engine
from msgpack_writer import batch, removed, stored

zmq = pytest.importorskip("zmq", reason="pyzmq is not installed: pip install 'kthena[zmq]'")

TOKENS = list(range(100, 400))
DEADLINE_S = 20.0


class Publisher:
    """Numbers its batches, keeps the last `buffer` of them, and answers replays from a thread, like an engine's."""

    def __init__(self, context: Any, *, connect: str | None = None, buffer: int = 1000) -> None:
        self.sockets = context.socket(zmq.PUB), context.socket(zmq.ROUTER)
        publisher, router = self.sockets
        for socket in self.sockets:
            socket.linger = 0
        if connect is None:
            publisher.bind("tcp://127.0.0.1:*")
            self.endpoint = publisher.getsockopt(zmq.LAST_ENDPOINT).decode()
        else:
            publisher.connect(connect)
            self.endpoint = connect
        router.sndhwm = 0
        router.bind("tcp://127.0.0.1:*")
        self.replay = router.getsockopt(zmq.LAST_ENDPOINT).decode()
        self.next = 0
        self.answers = True
        self.asked: list[int] = []
        self._buffer: deque[tuple[int, bytes]] = deque(maxlen=buffer)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def publish(self, *events: Any, lose: bool = False, payload: bytes | None = None) -> None:
        good = batch(1000 + self.next, list(events))
        with self._lock:
            self._buffer.append((self.next, good))
        if not lose:
            self.sockets[0].send_multipart([b"kv@pod-a", struct.pack(">Q", self.next), payload or good])
        self.next += 1

    def _serve(self) -> None:
        router = self.sockets[1]
        while not self._stop.is_set():
            if not router.poll(20):
                continue
            client, _, start = router.recv_multipart()
            first = int.from_bytes(start, "big")
            self.asked.append(first)
            if not self.answers:
                continue
            with self._lock:
                kept = [entry for entry in self._buffer if entry[0] >= first]
            for sequence, payload in kept:
                router.send_multipart([client, b"", struct.pack(">Q", sequence), payload])
            router.send_multipart([client, b"", struct.pack(">q", -1), b""])

    def close(self) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_S)
        for socket in self.sockets:
            socket.close()


@pytest.fixture
def context() -> Iterator[Any]:
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def index() -> kthena.PrefixIndex:
    return kthena.PrefixIndex(block_tokens=4)


def make_stream(index: kthena.PrefixIndex) -> engine.KvStream:
    return engine.KvStream("vllm", worker=index.add_worker("pod-a"), model="m")


def depth(index: kthena.PrefixIndex) -> int:
    return int(index.find(index.query(model="m").extend(TOKENS))[0])


def poll_until(subscription: engine.Subscription, done: Callable[[], bool]) -> list[engine.KvStep]:
    steps = []
    end = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < end, f"not in {DEADLINE_S} s; {subscription.stream.info()}"
        steps += subscription.poll(0.05)
    return steps


def connected(publisher: Publisher, subscription: engine.Subscription) -> None:
    """Until the first batch arrives: a subscription takes a moment to reach its publisher."""
    stream = subscription.stream

    def one_arrived() -> bool:
        if stream.state == engine.KvState.WAITING:
            publisher.publish()
        return stream.state == engine.KvState.LIVE and stream.info().next_sequence == publisher.next

    poll_until(subscription, one_arrived)


def test_live_gaps_and_replays(context: Any, index: kthena.PrefixIndex) -> None:
    publisher = Publisher(context)
    stream = make_stream(index)
    with engine.subscribe(
        publisher.endpoint, stream, index, replay=publisher.replay, topic="kv@", context=context
    ) as subscription:
        connected(publisher, subscription)
        first = publisher.next
        publisher.publish(stored([1, 2], TOKENS[:8]))
        publisher.publish(stored([3, 4], TOKENS[8:16], parent=2))
        steps = poll_until(subscription, lambda: stream.info().next_sequence == first + 2)
        assert sum(step.stored_blocks for step in steps) == 4
        assert depth(index) == 4

        asked = len(publisher.asked)
        publisher.publish(stored([5], TOKENS[16:20], parent=4), lose=True)
        publisher.publish(removed([2]), lose=True)
        publisher.publish(stored([6], TOKENS[20:24], parent=5))
        steps = poll_until(subscription, lambda: stream.info().next_sequence == first + 5)
        assert publisher.asked[asked:] == [first + 2]
        assert steps[0].outcome == engine.KvOutcome.HELD_BACK and steps[0].replay == (first + 2, first + 4)
        assert stream.state == engine.KvState.LIVE and depth(index) == 1
        publisher.publish(stored([2], TOKENS[4:8], parent=1))
        poll_until(subscription, lambda: stream.info().next_sequence == first + 6)
        assert depth(index) == 6
        assert stream.info().lost == 0 and subscription.malformed == 0
    publisher.close()


def test_a_malformed_batch_is_had_again(context: Any, index: kthena.PrefixIndex) -> None:
    publisher = Publisher(context)
    stream = make_stream(index)
    with engine.subscribe(publisher.endpoint, stream, index, replay=publisher.replay, context=context) as subscription:
        connected(publisher, subscription)
        publisher.publish(stored([1, 2], TOKENS[:8]), payload=b"\xc1garbage")
        publisher.publish(stored([3], TOKENS[8:12], parent=2))
        poll_until(subscription, lambda: stream.info().next_sequence == publisher.next)
        assert subscription.malformed == 1 and depth(index) == 3
        publisher.sockets[0].send_multipart([b"a single frame"])
        publisher.publish()
        poll_until(subscription, lambda: stream.info().next_sequence == publisher.next)
        assert subscription.malformed == 2
    publisher.close()


def test_a_long_replay_comes_whole(context: Any, index: kthena.PrefixIndex) -> None:
    publisher = Publisher(context, buffer=10_000)
    for block in range(70):
        publisher.publish(stored([block + 1], TOKENS[4 * block : 4 * block + 4], parent=block or None), lose=True)
    for _ in range(3000):
        publisher.publish(lose=True)
    stream = make_stream(index)  # starts late: all before is a gap
    with engine.subscribe(publisher.endpoint, stream, index, replay=publisher.replay, context=context) as subscription:
        connected(publisher, subscription)
        assert depth(index) == 70
        info = stream.info()
        assert info.applied == publisher.next and info.lost == 0
    publisher.close()


@pytest.mark.parametrize("why", ["no answer", "no socket", "buffer too small"])
def test_what_cannot_be_had_again_clears_the_worker(context: Any, index: kthena.PrefixIndex, why: str) -> None:
    publisher = Publisher(context, buffer=1 if why == "buffer too small" else 1000)
    stream = make_stream(index)
    with engine.subscribe(
        publisher.endpoint,
        stream,
        index,
        replay=None if why == "no socket" else publisher.replay,
        replay_timeout_s=0.3,
        context=context,
    ) as subscription:
        connected(publisher, subscription)
        publisher.publish(stored([1, 2], TOKENS[:8]))
        poll_until(subscription, lambda: depth(index) == 2)
        publisher.answers = why != "no answer"
        publisher.publish(removed([1]), lose=True)
        publisher.publish(stored([3], TOKENS[8:12], parent=2))
        steps = poll_until(subscription, lambda: stream.info().next_sequence == publisher.next)
        assert any(step.cleared for step in steps)
        assert stream.info().lost >= 1 and depth(index) == 0
        publisher.publish(stored([1], TOKENS[:4]))
        poll_until(subscription, lambda: depth(index) == 1)
    publisher.close()


def test_an_engine_that_connects_here(context: Any, index: kthena.PrefixIndex) -> None:
    stream = make_stream(index)
    with engine.subscribe("tcp://127.0.0.1:*", stream, index, bind=True, context=context) as subscription:
        publisher = Publisher(context, connect=subscription.endpoint)
        connected(publisher, subscription)
        publisher.publish(stored([1, 2], TOKENS[:8]))
        poll_until(subscription, lambda: depth(index) == 2)
        publisher.close()


def test_poll_ends(context: Any, index: kthena.PrefixIndex) -> None:
    stream = make_stream(index)
    with engine.subscribe("tcp://127.0.0.1:*", stream, index, bind=True, context=context) as subscription:
        assert subscription.poll() == []
        begin = time.monotonic()
        assert subscription.poll(0.1) == []
        assert 0.05 < time.monotonic() - begin < DEADLINE_S
        publisher = Publisher(context, connect=subscription.endpoint)
        connected(publisher, subscription)
        for _ in range(10):
            publisher.publish()
        assert len(subscription.poll(1.0, max_messages=3)) <= 3
        poll_until(subscription, lambda: stream.info().next_sequence == publisher.next)
        publisher.close()
    with pytest.raises(zmq.ZMQError):
        engine.subscribe("nonsense", stream, index, context=context)
