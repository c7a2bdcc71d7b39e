"""Who holds how much of this prompt? The exact index over the KV blocks that engines say they hold."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

import numpy as np

from kthena import _core
from kthena.arrays import Uint32, Uint64, from_list
from kthena.types import NO_WORKER, PrefixEvent, PrefixIndexOptions, PrefixStats, Tier


class PrefixQuery(_core.PrefixQuery):
    """A prompt prepared for lookups in a namespace of `index`: what `PrefixIndex.query` makes.

    It grows with a conversation.

    Threads: one while it is extended, any number while it is looked up.
    """

    __slots__ = ()

    def __init__(self, index: PrefixIndex, *, model: str = "", adapter: str = "", tenant: str = "") -> None:
        super().__init__(index, model=model, adapter=adapter, tenant=tenant)

    def extend(self, tokens: Uint32 | Sequence[int]) -> PrefixQuery:
        """Appends token ids (uint32). Each block that becomes full is hashed, the rest waits for the next call."""
        super().extend(from_list(tokens, np.uint32, "tokens"))
        return self

    def extend_contents(
        self, contents: Uint64 | Sequence[int], uppers: Uint64 | Sequence[int] | None = None
    ) -> PrefixQuery:
        """Appends content hashes of whole blocks, as `PrefixIndex.hash_blocks` gives them.

        `uppers`: where contents have 128 bits, their upper halves (`PrefixIndex.hash_blocks_upper`).
        """
        super().extend_contents(
            from_list(contents, np.uint64, "contents"),
            None if uppers is None else from_list(uppers, np.uint64, "uppers"),
        )
        return self

    def __repr__(self) -> str:
        return f"<kthena.PrefixQuery of {self.blocks} blocks>"


class PrefixIndex(_core.PrefixIndex):
    """Who holds how much of a prompt, exactly: a depth is the number of leading blocks that a worker holds now.

    `block_tokens`: tokens per block, 1 .. 65536. `max_workers`: 1 .. 16384. `max_orphan_blocks`: blocks that may wait
    for a parent that is not stored yet, 1 .. 2^32 - 1. `seed`: secret of the hashes, so that no client can make prompts
    that collide; None takes one from the operating system. Depths do not depend on it. `shared_engine_hashes`: the
    engines mean the same block by the same hash, so one table serves all workers. `max_expected_blocks`: blocks that
    each worker may be expected to hold, 0 .. 2^32 - 1; 0: `expect` is off. `expected_ttl_ns`: how long an expected
    block counts; 0: until it is evicted. `count_copies`: a store of a block that is held there already is one more
    copy, held until as many removals have come (vLLM). `wide_contents`: contents have 128 bits; who gives `contents`
    gives their upper halves too.

    Threads: one at a time writes (`add_worker`, `remove_worker`, `sweep`, `store`, `remove`, `clear`, `expect`,
    `expire`, `apply`; others that try wait for it). Any number look up beside it and wait for nothing: `find`,
    `find_batch`, `find_tiers`, `find_best`, `query`, `worker_limit`, `hash_blocks`. Each depth was true at some moment
    of the call. The rest (`stats`, `dump`, `find_worker` and the like) waits for the writer.
    """

    __slots__ = ("_keys",)
    _keys: dict[tuple[str, str, str], int]

    def __init__(
        self,
        *,
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
        super().__init__(
            seed=secrets.randbits(64) if seed is None else seed,
            block_tokens=block_tokens,
            max_workers=max_workers,
            max_orphan_blocks=max_orphan_blocks,
            shared_engine_hashes=shared_engine_hashes,
            max_expected_blocks=max_expected_blocks,
            expected_ttl_ns=expected_ttl_ns,
            count_copies=count_copies,
            wide_contents=wide_contents,
        )
        self._keys = {}

    @classmethod
    def load(
        cls,
        dump: bytes | bytearray | memoryview,
        *,
        seed: int,
        block_tokens: int = 16,
        max_workers: int = 1024,
        max_orphan_blocks: int = 65536,
        shared_engine_hashes: bool = False,
        max_expected_blocks: int = 0,
        expected_ttl_ns: int = 0,
        count_copies: bool = False,
        wide_contents: bool = False,
    ) -> PrefixIndex:
        """The index that `dump` wrote. Any bytes are safe.

        FailedPreconditionError names the option that differs: all must be equal (the seed is `options().seed` of the
        index that was dumped), but for limits, which must be large enough, and `expected_ttl_ns`.
        InvalidArgumentError for bytes that no dump has.
        """
        _check_options(block_tokens, max_workers, max_orphan_blocks)
        self = cls.__new__(cls)
        _core.PrefixIndex.__init__(
            self,
            seed=seed,
            block_tokens=block_tokens,
            max_workers=max_workers,
            max_orphan_blocks=max_orphan_blocks,
            shared_engine_hashes=shared_engine_hashes,
            max_expected_blocks=max_expected_blocks,
            expected_ttl_ns=expected_ttl_ns,
            count_copies=count_copies,
            wide_contents=wide_contents,
            dump=dump,
        )
        self._keys = {}
        return self

    def options(self) -> PrefixIndexOptions:  # type: ignore[override]
        """The options in force, the secret seed among them."""
        return PrefixIndexOptions(**super().options())

    def workers(self, names: Iterable[str]) -> Uint32:
        """The numbers of workers by name, `NO_WORKER` where there is none.

        `workers(pool.ids)` is what `find` needs to give the `prefix_depths` of a request on that pool.
        """
        found = (self.find_worker(name) for name in names)
        return np.array([NO_WORKER if worker is None else worker for worker in found], dtype=np.uint32)

    def hash_blocks(self, tokens: Uint32 | Sequence[int]) -> Uint64:
        """Content hashes of the full blocks of `tokens`, under this index's seed."""
        return super().hash_blocks(from_list(tokens, np.uint32, "tokens"))

    def hash_blocks_upper(self, tokens: Uint32 | Sequence[int]) -> Uint64:
        """Upper halves of contents of 128 bits, whose lower halves `hash_blocks` gives."""
        return super().hash_blocks_upper(from_list(tokens, np.uint32, "tokens"))

    def store(  # type: ignore[override]
        self,
        worker: int,
        *,
        engine_hashes: Uint64 | Sequence[int],
        tokens: Uint32 | Sequence[int] | None = None,
        contents: Uint64 | Sequence[int] | None = None,
        uppers: Uint64 | Sequence[int] | None = None,
        parent: int | None = None,
        model: str = "",
        adapter: str = "",
        tenant: str = "",
        tier: Tier = Tier.DEVICE,
    ) -> None:
        """A worker stored blocks that follow one another.

        `engine_hashes`: the engine's name for each block. Either the `tokens` of these blocks, a whole number of
        blocks, or their `contents` (`hash_blocks`) and, of 128 bits, their `uppers` (`hash_blocks_upper`). `parent`:
        engine hash of the block before; None at the start of a prompt. Nothing matches across `model`, `adapter` (LoRA;
        empty: base model) and `tenant` (cache salt; empty: shared). Storing twice changes nothing the second time, but
        with `count_copies`.

        With neither `tokens` nor `contents` (offloading), each engine hash by itself is a block that the worker holds
        or that waits, now in this tier too; `parent` and the namespace are not looked at, and hashes that mean nothing
        are counted (`unresolved_stores`).
        """
        space = (model, adapter, tenant)
        key = self._keys.get(space)
        if key is None:
            key = self.namespace_key(model=model, adapter=adapter, tenant=tenant)
            self._keys[space] = key
        super().store(
            worker,
            engine_hashes=from_list(engine_hashes, np.uint64, "engine_hashes"),
            tokens=None if tokens is None else from_list(tokens, np.uint32, "tokens"),
            contents=None if contents is None else from_list(contents, np.uint64, "contents"),
            uppers=None if uppers is None else from_list(uppers, np.uint64, "uppers"),
            parent=parent,
            namespace_key=key,
            tier=tier,
        )

    def remove(self, worker: int, *, engine_hashes: Uint64 | Sequence[int], tier: int = Tier.DEVICE) -> None:
        """A worker dropped blocks from a tier. Those it does not hold are counted and skipped."""
        super().remove(worker, engine_hashes=from_list(engine_hashes, np.uint64, "engine_hashes"), tier=tier)

    def apply(self, event: PrefixEvent) -> None:
        """One event of `dump_events`: it stores, removes or clears for `event.worker`."""
        if event.kind == "stored":
            super().store(
                event.worker,
                engine_hashes=event.engine_hashes,
                contents=event.contents,
                uppers=event.uppers,
                parent=event.parent,
                namespace_key=event.namespace_key,
                tier=event.tier,
            )
        elif event.kind == "removed":
            super().remove(event.worker, engine_hashes=event.engine_hashes, tier=event.tier)
        elif event.kind == "cleared":
            self.clear(event.worker)
        else:
            raise ValueError(f"kind must be 'stored', 'removed' or 'cleared', not {event.kind!r}")

    def dump_events(self, worker: int) -> list[PrefixEvent]:  # type: ignore[override]
        """What a worker holds as events for another index, the first of which clears it.

        Applied in order they give equal depths in every tier and equal orphans. Guesses are left out. Where the other
        index has another number for the worker: `event._replace(worker=number)`.
        """
        kinds = ("stored", "removed", "cleared")
        return [
            PrefixEvent(kinds[kind], number, engine_hashes, contents, uppers, parent, key, Tier(tier))
            for kind, number, engine_hashes, contents, uppers, parent, key, tier in super().dump_events(worker)
        ]

    def query(self, *, model: str = "", adapter: str = "", tenant: str = "") -> PrefixQuery:
        """An empty prompt in a namespace, to be extended and looked up."""
        return PrefixQuery(self, model=model, adapter=adapter, tenant=tenant)

    def stats(self) -> PrefixStats:  # type: ignore[override]
        """Counters and memory."""
        return PrefixStats(**super().stats())

    def __repr__(self) -> str:
        return f"<kthena.PrefixIndex of blocks of {self.block_tokens} tokens>"


def _check_options(block_tokens: int, max_workers: int, max_orphan_blocks: int) -> None:
    """The library takes 0 for the default; here 0 is out of range."""
    for name, value, most in (
        ("block_tokens", block_tokens, 65536),
        ("max_workers", max_workers, 16384),
        ("max_orphan_blocks", max_orphan_blocks, 2**32 - 1),
    ):
        if not 1 <= value <= most:
            raise ValueError(f"{name} must be in 1 .. {most}")
