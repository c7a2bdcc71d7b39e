"""Where does this request go? Pools, policies and decisions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kthena import _core
from kthena.arrays import Int64, Uint32, from_list
from kthena.types import Explanation, OptionInfo, PartInfo, Place, SignalColumns

if TYPE_CHECKING:
    from typing_extensions import Unpack

Document = str | Mapping[str, Any]
#: One number for each candidate.
Scorer = Callable[[_core.ScoreInput], Sequence[float] | npt.NDArray[Any]]


def _text(document: Document) -> str:
    return document if isinstance(document, str) else json.dumps(document)


class Pool(_core.Pool):
    """Endpoints and what is known about them.

    Ids are unique and not empty. `models` says which models and adapters each endpoint serves: a list of names per
    endpoint; None: nobody says. `waiting_models`, in the same form, are adapters that requests wait for and that are not
    loaded; none of them is in `models`. `places` says where each endpoint runs: a mapping of names by level (host, rack,
    zone, region) per endpoint, or None where it is not known. Membership never changes; another set of endpoints is
    another pool. Endpoints are numbered as they were given; their order never changes a decision.

    Threads: any number may decide on a pool and one may update it at the same time. A decision sees every column either
    before or after an update.
    """

    __slots__ = ()

    def __init__(
        self,
        ids: Sequence[str],
        models: Sequence[Sequence[str]] | None = None,
        *,
        waiting_models: Sequence[Sequence[str]] | None = None,
        places: Sequence[Place | Mapping[str, str] | None] | None = None,
    ) -> None:
        super().__init__(ids, models, waiting_models=waiting_models, places=places)

    @classmethod
    def from_json(cls, document: Document) -> Pool:
        """A pool from its JSON form, as text or as a dict (docs/schemas/pool.schema.json)."""
        self = cls.__new__(cls)
        _core.Pool.__init__(self, json=_text(document))
        return self

    def update(self, *, sampled_ns: int | Int64 | Sequence[int], **columns: Unpack[SignalColumns]) -> None:
        """Replaces columns: all that are given, by the names in `SIGNALS`, or none when any of them has a fault.

        One value per endpoint: NaN where it was not sampled, otherwise finite, not negative and at most what
        docs/policies.md says (kv_usage: 1; times in seconds). `sampled_ns` is when they were sampled: one time for all or
        one for each endpoint, in nanoseconds of the caller's clock. Contiguous arrays of float64 (int64 for times) are
        read in place, lists are converted, other arrays are a TypeError; None is as if not given.
        """
        given: dict[str, Any] = {
            name: from_list(column, np.float64, name)  # type: ignore[arg-type]
            for name, column in columns.items()
            if column is not None
        }
        times = sampled_ns if isinstance(sampled_ns, int) else from_list(sampled_ns, np.int64, "sampled_ns")
        super().update_columns(given, sampled_ns=times)

    def __repr__(self) -> str:
        return f"<kthena.Pool of {len(self)} endpoints>"


class Policy(_core.Policy):
    """A routing policy: a preset by name, or put together in JSON.

    `scorers` are of your own, by name; a policy names them "user:" and the name. Each is called with a
    `kthena.ScoreInput` and returns one number for each candidate, higher is better, by convention 0 to 100; NaN abstains
    (`abstentions` counts). What it raises comes out of `decide`. It is called on the thread that decides, at once on
    several where several do, and must not update the pool.

    Immutable; any number of threads may use it. `decide` takes the pool by position and the rest by name:

    - `id`: of the request. Ties and random choices hang on it.
    - `model`: model or adapter that was asked for.
    - `prompt_tokens`, `output_tokens`: length of the prompt, and of the answer that is expected or allowed; 0: not known.
    - `prefix_depths`: array of uint32, one per endpoint: leading blocks of the prompt that the endpoint holds, as
      `PrefixIndex.find` gives it; None: not known. `prefix_total`: blocks of the prompt.
    - `history_depths`, `history_total`: the same by the router's own memory of what it sent; where there is none,
      policies read the first pair.
    - `prefix_block_tokens`: tokens per block; 0: `prompt_tokens / prefix_total`. `prefix_host_depths`, `prefix_disk_depths`:
      blocks held in host memory or faster, and on disk or faster, beside `prefix_depths`: no less than the faster tier
      has. The same for `history`.
    - `session`: what is to be kept together: a conversation, a user. `near`: the place to be near to, as in `Pool`.
    - `slo_ttft_s`, `slo_tpot_s`: what the client was promised, seconds; 0: nothing.
    - `sequence`: count of requests so far; round robin follows it.
    - `now_ns`, `seed`: the moment. The library reads no clock and no random source.

    Equal arguments give equal decisions, in every language.

    `decide_many` makes many decisions on one state of the pool and gives an array of uint32, the position of the endpoint
    for each request or `NO_ENDPOINT`. It takes `ids`, or `count` for the decimal forms of the sequence numbers as ids;
    `prefix_depths` of requests x endpoints; `prefix_totals`, one for all or an array of uint32; `sequence_start`, from which
    the requests count on; and `model`, `now_ns` and `seed` for all. Other threads run meanwhile; who updates the pool waits.
    """

    __slots__ = ()

    def __init__(self, preset: str | Mapping[str, Any], *, scorers: Mapping[str, Scorer] | None = None) -> None:
        if isinstance(preset, str) and not scorers:
            super().__init__(preset)
        else:
            super().__init__(json=json.dumps(preset), scorers=dict(scorers or {}))

    @classmethod
    def from_json(cls, document: Document, *, scorers: Mapping[str, Scorer] | None = None) -> Policy:
        """A policy from its JSON form, as text or as a dict (docs/schemas/policy.schema.json)."""
        self = cls.__new__(cls)
        _core.Policy.__init__(self, json=_text(document), scorers=dict(scorers or {}))
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
        output_tokens: int = 0,
        prefix_depths: Uint32 | None = None,
        prefix_total: int = 0,
        prefix_block_tokens: int = 0,
        prefix_host_depths: Uint32 | None = None,
        prefix_disk_depths: Uint32 | None = None,
        history_depths: Uint32 | None = None,
        history_total: int = 0,
        history_block_tokens: int = 0,
        history_host_depths: Uint32 | None = None,
        history_disk_depths: Uint32 | None = None,
        session: str = "",
        near: Place | Mapping[str, str] | None = None,
        slo_ttft_s: float = 0.0,
        slo_tpot_s: float = 0.0,
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
            output_tokens=output_tokens,
            prefix_depths=prefix_depths,
            prefix_total=prefix_total,
            prefix_block_tokens=prefix_block_tokens,
            prefix_host_depths=prefix_host_depths,
            prefix_disk_depths=prefix_disk_depths,
            history_depths=history_depths,
            history_total=history_total,
            history_block_tokens=history_block_tokens,
            history_host_depths=history_host_depths,
            history_disk_depths=history_disk_depths,
            session=session,
            near=near,
            slo_ttft_s=slo_ttft_s,
            slo_tpot_s=slo_tpot_s,
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
