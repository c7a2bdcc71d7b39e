"""A subscriber for the KV events of one engine: moves ZMQ frames into a `KvStream`, and asks for replays.

Needs pyzmq: `pip install 'kthena[zmq]'`. It has no thread of its own; whoever wants the index fresh calls `poll`.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from kthena.engine.kv_events import KvState, KvStep, KvStream
from kthena.errors import KthenaError
from kthena.prefix import PrefixIndex


def subscribe(
    endpoint: str,
    stream: KvStream,
    index: PrefixIndex,
    *,
    replay: str | None = None,
    topic: str = "",
    bind: bool = False,
    replay_timeout_s: float = 2.0,
    context: Any = None,
) -> Subscription:
    """Subscribes to an engine's PUB socket, so that `Subscription.poll` feeds its events to `stream` and `index`.

    `endpoint`: "tcp://10.0.0.7:5557" of the engine; with `bind`, an address here that the engine connects to.
    `replay`: the engine's ROUTER socket ("tcp://10.0.0.7:5558"); None: gaps cannot be filled, the worker is cleared
    instead. `topic`: prefix of the topics that are wanted. `replay_timeout_s`: silence after which a replay has failed.
    `context`: a zmq.Context; None: the process's own.
    """
    return Subscription(
        endpoint,
        stream,
        index,
        replay=replay,
        topic=topic,
        bind=bind,
        replay_timeout_s=replay_timeout_s,
        context=context,
    )


class Subscription:
    """One engine's events, made by `subscribe`. A context manager.

    Threads: one at a time, as with ZMQ's sockets.
    """

    def __init__(
        self,
        endpoint: str,
        stream: KvStream,
        index: PrefixIndex,
        *,
        replay: str | None,
        topic: str,
        bind: bool,
        replay_timeout_s: float,
        context: Any,
    ) -> None:
        self._zmq = _pyzmq()
        self.stream = stream
        self.index = index
        #: Messages that were refused: no batches, or of another rank.
        self.malformed = 0
        self._replay = replay
        self._replay_timeout_s = replay_timeout_s
        self._replay_deadline = 0.0
        self._context = self._zmq.Context.instance() if context is None else context
        self._dealer: Any = None
        self._subscriber = self._context.socket(self._zmq.SUB)
        try:
            self._subscriber.linger = 0
            self._subscriber.setsockopt(self._zmq.SUBSCRIBE, topic.encode())
            if bind:
                self._subscriber.bind(endpoint)
            else:
                self._subscriber.connect(endpoint)
        except BaseException:
            self._subscriber.close()
            raise

    @property
    def endpoint(self) -> str:
        """The address that is bound or connected to, with the port that "tcp://127.0.0.1:*" got."""
        address: bytes = self._subscriber.getsockopt(self._zmq.LAST_ENDPOINT)
        return address.rstrip(b"\0").decode()

    def poll(self, timeout_s: float = 0.0, *, max_messages: int = 1024) -> list[KvStep]:
        """Waits up to `timeout_s` for a message, then takes all that are there, at most `max_messages`.

        What became of each is given back in order; refused ones are counted in `malformed`. While a replay is under way,
        the wait ends with its deadline at the latest.
        """
        steps: list[KvStep] = []
        for _ in range(max_messages):
            received = self._receive()
            if received is None and timeout_s > 0:
                self._wait(timeout_s)
                received = self._receive()
            timeout_s = 0.0
            if received is None:
                break
            self._take(*received, steps)
        if self._dealer is not None and time.monotonic() >= self._replay_deadline:
            self._close_dealer()
            self._follow(self.stream.replay_failed(self.index), steps)
        return steps

    def close(self) -> None:
        """Closes the sockets. The index keeps what it knows."""
        self._close_dealer()
        self._subscriber.close()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> tuple[list[bytes], bool] | None:
        """The frames of a message that is there, and whether it is a live one.

        Replayed batches come first: they are older, and live ones wait for them.
        """
        for socket in (self._dealer, self._subscriber):
            if socket is not None:
                try:
                    return socket.recv_multipart(self._zmq.NOBLOCK), socket is self._subscriber
                except self._zmq.Again:
                    continue
        return None

    def _wait(self, timeout_s: float) -> None:
        poller = self._zmq.Poller()
        poller.register(self._subscriber, self._zmq.POLLIN)
        if self._dealer is not None:
            poller.register(self._dealer, self._zmq.POLLIN)
            timeout_s = min(timeout_s, max(0.0, self._replay_deadline - time.monotonic()))
        poller.poll(round(timeout_s * 1000))

    def _take(self, frames: list[bytes], live: bool, steps: list[KvStep]) -> None:
        try:
            step = (self.stream.feed if live else self.stream.feed_replay)(frames, self.index)
        except (KthenaError, ValueError):
            self.malformed += 1
            return
        if not live:
            self._replay_deadline = time.monotonic() + self._replay_timeout_s
        self._follow(step, steps)

    def _follow(self, step: KvStep, steps: list[KvStep]) -> None:
        steps.append(step)
        if step.replay is not None:
            if self._replay is None:
                self._follow(self.stream.replay_failed(self.index), steps)
            else:
                self._ask(step.replay.first)
        elif step.state != KvState.CATCHING_UP:
            self._close_dealer()

    def _ask(self, first: int) -> None:
        # A socket for each request: what is left of an earlier answer goes with its socket.
        self._close_dealer()
        self._dealer = self._context.socket(self._zmq.DEALER)
        self._dealer.linger = 0
        self._dealer.rcvhwm = 0  # the answer comes in one go, and what does not fit would be dropped
        self._dealer.connect(self._replay)
        self._dealer.send_multipart([b"", first.to_bytes(8, "big")])
        self._replay_deadline = time.monotonic() + self._replay_timeout_s

    def _close_dealer(self) -> None:
        if self._dealer is not None:
            self._dealer.close()
            self._dealer = None


def _pyzmq() -> Any:
    try:
        import zmq
    except ImportError as error:
        raise ImportError("kthena.engine.subscribe needs pyzmq: pip install 'kthena[zmq]'") from error
    return zmq
