"""Who holds how much of this prompt? The exact index over the KV blocks that engines say they hold."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from kthena import _core
from kthena.arrays import Uint32, Uint64, from_list
from kthena.types import NO_WORKER, PrefixStats, Tier


class PrefixQuery:
    """A prompt prepared for lookups, made by `PrefixIndex.query`. It grows with a conversation.

    Threads: one while it is extended, any number while it is looked up.
    """

    __slots__ = ("_query",)

    def __init__(self, query: _core.PrefixQuery) -> None:
        self._query = query

    def extend(self, tokens: Uint32 | Sequence[int]) -> PrefixQuery:
        """Appends token ids (uint32). Each block that becomes full is hashed, the rest waits for the next call."""
        self._query.extend(from_list(tokens, np.uint32, "tokens"))
        return self

    def extend_contents(self, contents: Uint64 | Sequence[int]) -> PrefixQuery:
        """Appends content hashes of whole blocks, as `PrefixIndex.hash_blocks` gives them."""
        self._query.extend_contents(from_list(contents, np.uint64, "contents"))
        return self

    def clear(self) -> None:
        """Forgets the prompt."""
        self._query.clear()

    @property
    def blocks(self) -> int:
        """Full blocks so far: `prefix_total` of a request."""
        return self._query.blocks

    def __repr__(self) -> str:
        return f"<kthena.PrefixQuery of {self.blocks} blocks>"


class PrefixIndex:
    """Who holds how much of a prompt, exactly: a depth is the number of leading blocks that a worker holds now.

    `block_tokens`: tokens per block, 1 .. 65536. `max_workers`: 1 .. 16384. `max_orphan_blocks`: blocks that may wait
    for a parent that is not stored yet. `seed`: secret of the hashes, so that no client can make prompts that collide;
    None takes one from the operating system. Depths do not depend on it.

    Threads: one may store, remove and clear while any number look up.
    """

    __slots__ = ("_index", "_keys")

    def __init__(
        self,
        *,
        block_tokens: int = 16,
        max_workers: int = 1024,
        max_orphan_blocks: int = 65536,
        seed: int | None = None,
    ) -> None:
        for name, value, most in (
            ("block_tokens", block_tokens, 65536),
            ("max_workers", max_workers, 16384),
            ("max_orphan_blocks", max_orphan_blocks, 2**64 - 1),
        ):
            if not 1 <= value <= most:
                raise ValueError(f"{name} must be in 1 .. {most}")
        self._index = _core.PrefixIndex(
            seed=secrets.randbits(64) if seed is None else seed,
            block_tokens=block_tokens,
            max_workers=max_workers,
            max_orphan_blocks=max_orphan_blocks,
        )
        self._keys: dict[tuple[str, str, str], int] = {}

    @property
    def block_tokens(self) -> int:
        """Tokens per block."""
        return self._index.block_tokens

    @property
    def worker_limit(self) -> int:
        """One more than the largest worker in use: the length of what `find` gives without `workers`."""
        return self._index.worker_limit

    def add_worker(self, name: str) -> int:
        """A new worker, or the one of that name. Its number is used in the other calls."""
        return self._index.add_worker(name)

    def find_worker(self, name: str) -> int | None:
        """The number of a worker; None when no worker has that name."""
        return self._index.find_worker(name)

    def remove_worker(self, worker: int) -> None:
        """Drops a worker and all it holds. Its number may be given out again."""
        self._index.remove_worker(worker)

    def workers(self, names: Iterable[str]) -> Uint32:
        """The numbers of workers by name, `NO_WORKER` where there is none.

        `workers(pool.ids)` is what `find` needs to give the `prefix_depths` of a request on that pool.
        """
        found = (self._index.find_worker(name) for name in names)
        return np.array([NO_WORKER if worker is None else worker for worker in found], dtype=np.uint32)

    def hash_blocks(self, tokens: Uint32 | Sequence[int]) -> Uint64:
        """Content hashes of the full blocks of `tokens`, under this index's seed."""
        return self._index.hash_blocks(from_list(tokens, np.uint32, "tokens"))

    def store(
        self,
        worker: int,
        *,
        engine_hashes: Uint64 | Sequence[int],
        tokens: Uint32 | Sequence[int] | None = None,
        contents: Uint64 | Sequence[int] | None = None,
        parent: int | None = None,
        model: str = "",
        adapter: str = "",
        tenant: str = "",
        tier: Tier = Tier.DEVICE,
    ) -> None:
        """A worker stored blocks that follow one another.

        `engine_hashes`: the engine's name for each block. Either the `tokens` of these blocks, a whole number of
        blocks, or their `contents` (`hash_blocks`). `parent`: engine hash of the block before; None at the start of a
        prompt. Nothing matches across `model`, `adapter` (LoRA; empty: base model) and `tenant` (cache salt; empty:
        shared). Storing twice changes nothing the second time.
        """
        space = (model, adapter, tenant)
        key = self._keys.get(space)
        if key is None:
            key = self._index.namespace_key(model=model, adapter=adapter, tenant=tenant)
            self._keys[space] = key
        self._index.store(
            worker,
            engine_hashes=from_list(engine_hashes, np.uint64, "engine_hashes"),
            tokens=None if tokens is None else from_list(tokens, np.uint32, "tokens"),
            contents=None if contents is None else from_list(contents, np.uint64, "contents"),
            parent=parent,
            namespace_key=key,
            tier=tier,
        )

    def remove(self, worker: int, *, engine_hashes: Uint64 | Sequence[int], tier: Tier = Tier.DEVICE) -> None:
        """A worker dropped blocks from a tier. Those it does not hold are counted and skipped."""
        self._index.remove(worker, engine_hashes=from_list(engine_hashes, np.uint64, "engine_hashes"), tier=tier)

    def clear(self, worker: int) -> None:
        """A worker dropped everything."""
        self._index.clear(worker)

    def query(self, *, model: str = "", adapter: str = "", tenant: str = "") -> PrefixQuery:
        """An empty prompt in a namespace, to be extended and looked up."""
        return PrefixQuery(self._index.query(model=model, adapter=adapter, tenant=tenant))

    def find(
        self,
        query: PrefixQuery,
        *,
        workers: Uint32 | Sequence[int] | None = None,
        candidates: npt.NDArray[np.bool_] | Uint64 | None = None,
        out: Uint32 | None = None,
    ) -> Uint32:
        """Leading blocks of the query that workers hold, in any tier.

        With `workers`, element i belongs to `workers[i]` (`NO_WORKER` gives 0). Without, element w belongs to worker w;
        then `candidates` may leave out workers (their depth is 0): an array of bool by worker, or of uint64 with bit
        w % 64 of word w // 64. `out` is filled and given back; without it there is a new array.
        """
        words = candidates
        if isinstance(candidates, np.ndarray) and candidates.dtype == np.bool_:
            bits = np.packbits(candidates, bitorder="little")
            padded = np.zeros((candidates.size + 63) // 64 * 8, dtype=np.uint8)
            padded[: bits.size] = bits
            words = padded.view("<u8").astype(np.uint64, copy=False)
        return self._index.find(
            query._query,
            workers=None if workers is None else from_list(workers, np.uint32, "workers"),
            candidates=words,
            out=out,
        )

    def stats(self) -> PrefixStats:
        """Counters and memory."""
        return PrefixStats(**self._index.stats())

    def __repr__(self) -> str:
        return f"<kthena.PrefixIndex of blocks of {self.block_tokens} tokens>"
