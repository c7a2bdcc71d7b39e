"""Where does this request go? Pools, policies and decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kthena import _core
from kthena.arrays import Float64, Int64, Uint32, from_list
from kthena.types import Explanation, OptionInfo, PartInfo

Document = str | Mapping[str, Any]


def _text(document: Document) -> str:
    return document if isinstance(document, str) else json.dumps(document)


class Pool(_core.Pool):
    """Endpoints and what is known about them.

    Ids are unique and not empty. `models` says which models and adapters each endpoint serves: a list of names per
    endpoint; None: nobody says. Membership never changes; another set of endpoints is another pool. Endpoints are
    numbered as they were given; their order never changes a decision.

    Threads: any number may decide on a pool and one may update it at the same time. A decision sees every column either
    before or after an update.
    """

    __slots__ = ()

    def __init__(self, ids: Sequence[str], models: Sequence[Sequence[str]] | None = None) -> None:
        super().__init__(ids, models)

    @classmethod
    def from_json(cls, document: Document) -> Pool:
        """A pool from its JSON form, as text or as a dict (docs/schemas/pool.schema.json)."""
        self = cls.__new__(cls)
        _core.Pool.__init__(self, json=_text(document))
        return self

    def update(
        self,
        *,
        running: Float64 | Sequence[float] | None = None,
        waiting: Float64 | Sequence[float] | None = None,
        kv_usage: Float64 | Sequence[float] | None = None,
        ttft_s: Float64 | Sequence[float] | None = None,
        tpot_s: Float64 | Sequence[float] | None = None,
        in_flight: Float64 | Sequence[float] | None = None,
        sampled_ns: int | Int64 | Sequence[int],
    ) -> None:
        """Replaces columns: all that are given, or none when any of them has a fault.

        One value per endpoint: NaN where it was not sampled, otherwise finite and in 0 .. 1e9 (kv_usage: 0 .. 1; times
        in seconds). `sampled_ns` is when they were sampled: one time for all or one for each endpoint, in nanoseconds
        of the caller's clock. Contiguous arrays of float64 (int64 for times) are read in place, lists are converted,
        other arrays are a TypeError.
        """
        super().update(
            running=None if running is None else from_list(running, np.float64, "running"),
            waiting=None if waiting is None else from_list(waiting, np.float64, "waiting"),
            kv_usage=None if kv_usage is None else from_list(kv_usage, np.float64, "kv_usage"),
            ttft_s=None if ttft_s is None else from_list(ttft_s, np.float64, "ttft_s"),
            tpot_s=None if tpot_s is None else from_list(tpot_s, np.float64, "tpot_s"),
            in_flight=None if in_flight is None else from_list(in_flight, np.float64, "in_flight"),
            sampled_ns=sampled_ns if isinstance(sampled_ns, int) else from_list(sampled_ns, np.int64, "sampled_ns"),
        )

    def __repr__(self) -> str:
        return f"<kthena.Pool of {len(self)} endpoints>"


class Policy(_core.Policy):
    """A routing policy: a preset by name, or put together in JSON.

    Immutable; any number of threads may use it. `decide` takes the pool by position and the rest by name:

    - `id`: of the request. Ties and random choices hang on it.
    - `model`: model or adapter that was asked for.
    - `prompt_tokens`: length of the prompt.
    - `prefix_depths`: array of uint32, one per endpoint: leading blocks of the prompt that the endpoint holds, as
      `PrefixIndex.find` gives it; None: not known. `prefix_total`: blocks of the prompt.
    - `history_depths`, `history_total`: the same by the router's own memory of what it sent; where there is none,
      policies read the first pair.
    - `sequence`: count of requests so far; round robin follows it.
    - `now_ns`, `seed`: the moment. The library reads no clock and no random source.

    Equal arguments give equal decisions, in every language.

    `decide_many` makes many decisions on one state of the pool and gives an array of uint32, the position of the endpoint
    for each request or `NO_ENDPOINT`. It takes `ids`, or `count` for the decimal forms of the sequence numbers as ids;
    `prefix_depths` of requests x endpoints; `prefix_totals`, one for all or an array of uint32; `sequence_start`, from which
    the requests count on; and `model`, `now_ns` and `seed` for all. Other threads run meanwhile; who updates the pool waits.
    """

    __slots__ = ()

    def __init__(self, preset: str) -> None:
        super().__init__(preset)

    @classmethod
    def from_json(cls, document: Document) -> Policy:
        """A policy from its JSON form, as text or as a dict (docs/schemas/policy.schema.json)."""
        self = cls.__new__(cls)
        _core.Policy.__init__(self, json=_text(document))
        return self

    def to_dict(self) -> dict[str, Any]:
        """The policy in its full JSON form, with every part and its weight."""
        document: dict[str, Any] = json.loads(self.to_json())
        return document

    def explain(
        self,
        pool: _core.Pool,
        *,
        id: str,
        model: str = "",
        prompt_tokens: int = 0,
        prefix_depths: Uint32 | None = None,
        prefix_total: int = 0,
        history_depths: Uint32 | None = None,
        history_total: int = 0,
        sequence: int = 0,
        now_ns: int = 0,
        seed: int = 0,
    ) -> Explanation:
        """The decision that `decide` makes of the same arguments, taken apart. Many times slower."""
        text = self.explain_json(
            pool,
            id=id,
            model=model,
            prompt_tokens=prompt_tokens,
            prefix_depths=prefix_depths,
            prefix_total=prefix_total,
            history_depths=history_depths,
            history_total=history_total,
            sequence=sequence,
            now_ns=now_ns,
            seed=seed,
        )
        return Explanation.from_dict(json.loads(text))

    def __repr__(self) -> str:
        return f"<kthena.Policy {self.to_dict()['name']!r}>"


def presets() -> list[str]:
    """Names of all presets."""
    names: list[str] = json.loads(_core.presets_json())
    return names


def parts() -> list[PartInfo]:
    """All filters, scorers and pickers that policies are made of, with their options."""
    return [
        PartInfo(part["kind"], part["name"], tuple(OptionInfo(**option) for option in part["options"]))
        for part in json.loads(_core.parts_json())
    ]


def decide_json(document: Document) -> str:
    """One document with `pool`, `policy` and `request` in; the decision (with `"explain": true`: taken apart) out.

    The text that comes out is the same byte for byte in every language.
    """
    return _core.decide_json(_text(document))
