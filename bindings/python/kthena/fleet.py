"""What does a router keep between two decisions? Endpoints, bookings, the prefix index and learned rates, in one object."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple, NoReturn

from kthena import _core
from kthena.prefix import PrefixIndex, _check_options
from kthena.types import Place

_LEVELS = ("host", "rack", "zone", "region")


class Ticket(NamedTuple):
    """A booked request, as `Fleet.decide` and `Fleet.book` give it."""

    generation: int
    slot: int


class TicketOutcome(IntEnum):
    """What became of a call with a ticket."""

    APPLIED = 0
    REPEATED = 1  #: nothing new was said
    STALE = 2  #: it is not in flight (any more): counted, nothing else changed


class Estimator(IntEnum):
    """How `in_flight` is made of the router's own bookings and of samples (docs/fleet.md)."""

    OWN = 1
    SAMPLE = 2
    SAMPLE_PLUS_LATER = 3
    MAXIMUM = 4


class FleetCounts(NamedTuple):
    """booked = done + failed + expired + dropped + in_flight."""

    in_flight: int
    booked: int
    done: int
    failed: int
    expired: int
    dropped: int  #: with an endpoint that restarted or was removed
    stale: int  #: calls with a ticket that was not in flight
    older_samples: int  #: samples that came too late
    clock_behind: int  #: calls whose now_ns was before the latest


class FleetIndex(PrefixIndex):
    """The prefix index of a fleet, which it keeps alive: `Fleet.index`. Worker w is endpoint w."""

    __slots__ = ()

    def __init__(self) -> None:
        raise TypeError("an index of a fleet is Fleet.index")

    def add_worker(self, name: str) -> NoReturn:
        raise TypeError("workers are added and removed by the fleet alone")

    def remove_worker(self, worker: int) -> NoReturn:
        raise TypeError("workers are added and removed by the fleet alone")


class Fleet(_core.Fleet):
    """What one router keeps, and decisions that are booked as they are made (docs/fleet.md).

    >>> fleet = kthena.Fleet()
    >>> fleet.add_endpoints(["pod-a", "pod-b"], now_ns=0)
    (0, 1)
    >>> decision, ticket = fleet.decide(kthena.Policy("cost"), tokens, id="request-1", model="llama", now_ns=1)
    >>> fleet.finish(ticket, 250, now_ns=2)
    <TicketOutcome.APPLIED: 0>

    An endpoint has a number from when it is added until it is removed, then it may be given again: `Decision.index`, and
    the number of its worker in `index`. Calls take the number or the id. `now_ns` is any clock that is used for all.

    `max_tickets`: in flight at once, 1 .. 2^24. `max_endpoints`: 1 .. 2^20. `max_home_entries`: prefixes whose last
    endpoint is remembered, 4 .. 2^28. `routers`: that send to these endpoints, this one included, 1 .. 65536.
    `learn_rates`: `prefill_tps` and `decode_tps` are learned from answers. `idle_limit_ns`: a ticket silent for so long
    is expired, 1 ms .. 30 days. `arrival_ns`: from a booking until the endpoint counts it, 0 .. 1 h. The rest are the
    options of `PrefixIndex`; engines without KV events need `max_expected_blocks`.

    `decide(policy, tokens, *, id, now_ns, ...)` gives the decision and its `Ticket`, None when it is not routed. `tokens`:
    the prompt, an array of uint32, which is read in place; None: not known. `model`, `adapter`, `tenant`: the namespace
    of its blocks, as in `PrefixIndex.store`; the adapter, or without one the model, is what endpoints must serve.
    `prompt_tokens`: 0: the length of `tokens`. `output_tokens`: 0: the mean of answers so far. The rest as in
    `Policy.decide`. ResourceExhaustedError: `max_tickets` are in flight. `book(endpoint, tokens, ...)` books a request that
    was sent there whatever a decision said, a failover say.

    Threads: any; calls wait for each other, and for writers of `index`. Decisions with 4,096 tokens or on 256 endpoints
    or more let other threads run. A scorer of the policy's own cannot use the fleet that asks it, nor its `index` but
    for lookups.
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        max_tickets: int = 2**20,
        max_endpoints: int = 65536,
        max_home_entries: int = 2**18,
        routers: int = 1,
        estimator: Estimator = Estimator.SAMPLE_PLUS_LATER,
        learn_rates: bool = True,
        idle_limit_ns: int = 600_000_000_000,
        arrival_ns: int = 0,
        block_tokens: int = 16,
        max_workers: int = 1024,
        max_orphan_blocks: int = 65536,
        seed: int | None = None,
        shared_engine_hashes: bool = False,
        max_expected_blocks: int = 0,
        expected_ttl_ns: int = 0,
        count_copies: bool = False,
        wide_contents: bool = False,
    ) -> None:
        _check_options(block_tokens, max_workers, max_orphan_blocks)
        # The library takes 0 for the default; here 0 is out of range.
        for name, value, least, most in (
            ("max_tickets", max_tickets, 1, 2**24),
            ("max_endpoints", max_endpoints, 1, 2**20),
            ("max_home_entries", max_home_entries, 4, 2**28),
            ("routers", routers, 1, 65536),
            ("idle_limit_ns", idle_limit_ns, 1_000_000, 30 * 86_400_000_000_000),
        ):
            if not least <= value <= most:
                raise ValueError(f"{name} must be in {least} .. {most}")
        super().__init__(
            ticket_type=Ticket,
            outcomes=tuple(TicketOutcome),
            seed=secrets.randbits(64) if seed is None else seed,
            max_tickets=max_tickets,
            max_endpoints=max_endpoints,
            max_home_entries=max_home_entries,
            routers=routers,
            estimator=Estimator(estimator),
            learn_rates=learn_rates,
            idle_limit_ns=idle_limit_ns,
            arrival_ns=arrival_ns,
            block_tokens=block_tokens,
            max_workers=max_workers,
            max_orphan_blocks=max_orphan_blocks,
            shared_engine_hashes=shared_engine_hashes,
            max_expected_blocks=max_expected_blocks,
            expected_ttl_ns=expected_ttl_ns,
            count_copies=count_copies,
            wide_contents=wide_contents,
        )

    def add_endpoints(
        self,
        ids: Iterable[str],
        models: Iterable[Iterable[str]] | None = None,
        *,
        waiting_models: Iterable[Iterable[str]] | None = None,
        places: Iterable[Place | Mapping[str, str] | None] | None = None,
        now_ns: int,
    ) -> tuple[int, ...]:
        """Adds all or none and gives their numbers. `models`, `waiting_models` and `places` as in `Pool`."""
        names = _names(ids, "ids")
        flat = None if places is None else [name for place in places for name in _place(place)]
        if flat is not None and len(flat) != len(_LEVELS) * len(names):
            raise ValueError(f"places: {len(flat) // len(_LEVELS)} for {len(names)} endpoints")
        served = _lists(models, "models", len(names))
        return tuple(super().add(names, served, _lists(waiting_models, "waiting_models", len(names)), flat, now_ns))

    def set_models(self, endpoint: str | int, models: Iterable[str], waiting_models: Iterable[str] = ()) -> None:
        """What it serves, and adapters that requests wait for."""
        super().put_models(endpoint, _names(models, "models"), _names(waiting_models, "waiting_models"))

    def sample(self, endpoint: str | int, *, sampled_ns: int, now_ns: int, **signals: float) -> None:
        """What an endpoint said at `sampled_ns`, when it was read: `running`, `waiting`, ..., by name; NaN forgets.

        Not `in_flight` and the other signals that are made of bookings, and not `held_blocks`. `running` and `waiting`
        together are a sample of load. A value older than the one at hand is ignored. All signals or none.
        """
        super().put_sample(endpoint, signals, sampled_ns=sampled_ns, now_ns=now_ns)

    @property
    def index(self) -> FleetIndex:
        """For KV events: `index.store(number, ...)`, `KvStream.feed(frames, index)`. Lookups run beside decisions."""
        index: FleetIndex = super().index_as(FleetIndex)
        if not hasattr(index, "_keys"):
            index._keys = {}
        return index

    def counts(self) -> FleetCounts:  # type: ignore[override]
        """What became of all bookings, and calls that came too late."""
        return FleetCounts(**super().counts())

    def __repr__(self) -> str:
        return f"<kthena.Fleet of {len(self)} endpoints>"


def _names(names: Iterable[str], what: str) -> list[str]:
    if isinstance(names, str):
        raise TypeError(f"{what} must be a sequence of str, not one str")
    found = list(names)
    if not all(isinstance(name, str) for name in found):
        raise TypeError(f"{what} must hold str")
    return found


def _lists(lists: Iterable[Iterable[str]] | None, what: str, endpoints: int) -> list[list[str]] | None:
    if lists is None:
        return None
    if isinstance(lists, str):
        raise TypeError(f"{what} must be a sequence of lists of str, not one str")
    found = [_names(names, f"{what} of an endpoint") for names in lists]
    if len(found) != endpoints:
        raise ValueError(f"{what}: {len(found)} lists for {endpoints} endpoints")
    return found


def _place(place: Place | Mapping[str, str] | None) -> list[str]:
    known = dict(place or {})
    for level in known:
        if level not in _LEVELS:
            raise ValueError(f"places: there is no level {level!r}; the levels are {', '.join(_LEVELS)}")
    return _names((str(known.get(level) or "") for level in _LEVELS), "places")
