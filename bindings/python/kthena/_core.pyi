"""The C interface of kthena as Python objects; use the package kthena instead."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from kthena.arrays import Candidates
from kthena.fleet import Ticket, TicketOutcome
from kthena.reasons import Reason
from kthena.types import Outcome, Place, PrefixPick

def version() -> int: ...
def hash_id(id: str) -> int:
    """Hash of an id, as used for ties: the same 64 bits in every language."""

def reason_numbers(reason: int) -> str:
    """What reason_subject, reason_a and reason_b of a decision are: "a = score, b = margin"; empty: nothing."""

def random_u64(seed: int, stream: int, counter: int) -> int:
    """The number at place `counter` of stream `stream` of seed `seed`, uniform over 64 bits."""

def signal_names() -> tuple[str, ...]:
    """Names of the signals, by number."""

def presets_json() -> str: ...
def parts_json() -> str: ...
def decide_json(document: str) -> str: ...
def policy_hash(policy: Policy) -> int:
    """A hash of all of a policy but its names: the same 64 bits in every language."""

def log_diff_json(log: bytes, document: str) -> str: ...
def lint_json(document: str) -> str: ...
def hash_vllm(
    tokens: npt.NDArray[np.uint32],
    *,
    block_tokens: int,
    algorithm: int,
    key_form: int,
    seed: str,
    lora_name: str,
    lora_path: str,
    cache_salt: str,
    multimodal: Sequence[tuple[str, int, int]],
    prompt_embeds: bytes,
    parent: bytes,
    first_block: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]: ...
def hash_sglang(
    tokens: npt.NDArray[np.uint32],
    *,
    page_tokens: int,
    kind: int,
    extra_key: str,
    cache_salt: str,
    parent: bytes,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64]]: ...
def hash_xxh3_chain(
    tokens: npt.NDArray[np.uint32],
    *,
    block_tokens: int,
    seed: int,
    lora_name: str,
    cache_namespace: str,
    parent: int | None,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]: ...
def hash_llm_d(
    tokens: npt.NDArray[np.uint32],
    *,
    block_tokens: int,
    seed: str,
    model: str,
    cache_salt: str,
    multimodal: Sequence[tuple[str, int, int]],
    parent: int | None,
    first_block: int,
) -> npt.NDArray[np.uint64]: ...
def hash_kthena_blocks(tokens: npt.NDArray[np.uint32], *, block_tokens: int) -> npt.NDArray[np.uint64]: ...
def hash_kthena_bytes(prompt: str | bytes, *, block_bytes: int, model: str) -> npt.NDArray[np.uint64]: ...

class Pool:
    def __init__(
        self,
        ids: Iterable[str] | None = None,
        models: Iterable[Iterable[str]] | None = None,
        *,
        waiting_models: Iterable[Iterable[str]] | None = None,
        places: Iterable[Place | Mapping[str, str] | None] | None = None,
        json: str = ...,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the endpoints, in the order they were given."""

    def find(self, id: str) -> int | None:
        """Index of an endpoint; None when there is none of that id."""

    def update_columns(
        self, columns: dict[str, npt.NDArray[np.float64]], *, sampled_ns: int | npt.NDArray[np.int64]
    ) -> None:
        """Replaces columns, by name of the signal: `update` without conversions."""

    def set(self, name: str, endpoint: str | SupportsIndex, value: float, *, sampled_ns: int) -> None:
        """Replaces one value, NaN: not sampled; `endpoint` is an id or an index.

        For a signal that changes with every request, as in_flight does.
        """

    def signal(self, name: str) -> npt.NDArray[np.float64]:
        """One column by endpoint, a copy; NaN where it was never sampled."""

    def sampled_ns(self, name: str) -> npt.NDArray[np.int64]:
        """When each element of a column was sampled, a copy."""

class DecisionLog:
    """Decisions with all that they hung on, as bytes (docs/decision-log.md)."""

    def __init__(self, policy: Policy) -> None: ...
    def set_policy(self, policy: Policy) -> None:
        """Who decides from the next decision on."""

    def restart(self) -> None:
        """The next decision begins a log of its own, for the next file."""

    def take(self) -> bytes:
        """The bytes since the last call, which are then forgotten: to be put behind those of before."""

    def append(
        self,
        pool: Pool,
        decision: Decision,
        *,
        id: str,
        model: str = "",
        prompt_tokens: int = 0,
        output_tokens: int = 0,
        prefix_depths: npt.NDArray[np.uint32] | None = None,
        prefix_total: int = 0,
        prefix_block_tokens: int = 0,
        prefix_host_depths: npt.NDArray[np.uint32] | None = None,
        prefix_disk_depths: npt.NDArray[np.uint32] | None = None,
        history_depths: npt.NDArray[np.uint32] | None = None,
        history_total: int = 0,
        history_block_tokens: int = 0,
        history_host_depths: npt.NDArray[np.uint32] | None = None,
        history_disk_depths: npt.NDArray[np.uint32] | None = None,
        session: str = "",
        near: Place | Mapping[str, str] | None = None,
        slo_ttft_s: float = 0.0,
        slo_tpot_s: float = 0.0,
        sequence: int = 0,
        now_ns: int = 0,
        seed: int = 0,
    ) -> None:
        """A decision of `Policy.decide` and the arguments that it was made of, on the pool as it still is."""

class Decision:
    """Where a request goes, where next if that fails, and why. Immutable."""

    @property
    def outcome(self) -> Outcome:
        """ROUTED, or NO_ENDPOINT: nobody can take it and `reason` says why."""

    @property
    def endpoint(self) -> str | None:
        """Id of the chosen endpoint; None when not routed."""

    @property
    def index(self) -> int | None:
        """Its position in the pool; None when not routed."""

    @property
    def ranked(self) -> tuple[str, ...]:
        """Ranked list of ids: best first, the chosen one included."""

    @property
    def ranked_indices(self) -> tuple[int, ...]:
        """The same as positions in the pool."""

    @property
    def failover(self) -> tuple[str, ...]:
        """Ids to try when the chosen one fails, in this order: `ranked` without the first."""

    @property
    def reason(self) -> Reason:
        """Why it came out like this."""

    @property
    def reason_subject(self) -> int:
        """What the reason is about, as the reason's text says."""

    @property
    def reason_a(self) -> float:
        """First number behind the reason, as its text says."""

    @property
    def reason_b(self) -> float:
        """Second number behind the reason."""

    @property
    def score(self) -> float:
        """Total score of the chosen endpoint, in the policy's unit."""

    @property
    def margin(self) -> float:
        """Score minus that of the runner-up, >= 0; 0 in a tie or without a runner-up."""

    @property
    def candidates(self) -> int:
        """Endpoints that were left after the filters."""

    @property
    def stage(self) -> int:
        """Whose parts decided: 0 the policy's own, n its n-th stage of otherwise; the last one when not routed."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

class ScoreInput:
    """What a scorer may see: the candidates, by number. Arrays are copies and may be kept; all else ends with the call."""

    def __len__(self) -> int: ...
    def column(self, signal: str) -> npt.NDArray[np.float64]:
        """The values of a signal, by its name in `SIGNALS`; NaN where it was never sampled."""

    @property
    def endpoints(self) -> npt.NDArray[np.uint32]:
        """The position in the pool of each candidate."""

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """`hash_id` of the ids."""

    @property
    def prefix_depths(self) -> npt.NDArray[np.uint32]:
        """Leading blocks of the prompt that each candidate holds; all 0 when it is not known."""

    @property
    def prefix_total(self) -> int: ...
    @property
    def history_depths(self) -> npt.NDArray[np.uint32]:
        """The same by the router's own memory; without one, `prefix_depths`."""

    @property
    def history_total(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def session(self) -> str: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def sequence(self) -> int: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def seed(self) -> int: ...

class Policy:
    def __init__(
        self,
        preset: str = ...,
        *,
        json: str = ...,
        scorers: dict[str, Callable[[ScoreInput], Sequence[float] | npt.NDArray[Any]]] | None = ...,
    ) -> None: ...
    @property
    def abstentions(self) -> int:
        """Opinions of its own scorers that were NaN or infinite, in decisions so far."""

    def to_json(self) -> str:
        """The policy in its full JSON form."""

    def decide(
        self,
        pool: Pool,
        *,
        id: str,
        model: str = "",
        prompt_tokens: int = 0,
        output_tokens: int = 0,
        prefix_depths: npt.NDArray[np.uint32] | None = None,
        prefix_total: int = 0,
        prefix_block_tokens: int = 0,
        prefix_host_depths: npt.NDArray[np.uint32] | None = None,
        prefix_disk_depths: npt.NDArray[np.uint32] | None = None,
        history_depths: npt.NDArray[np.uint32] | None = None,
        history_total: int = 0,
        history_block_tokens: int = 0,
        history_host_depths: npt.NDArray[np.uint32] | None = None,
        history_disk_depths: npt.NDArray[np.uint32] | None = None,
        session: str = "",
        near: Place | Mapping[str, str] | None = None,
        slo_ttft_s: float = 0.0,
        slo_tpot_s: float = 0.0,
        sequence: int = 0,
        now_ns: int = 0,
        seed: int = 0,
    ) -> Decision:
        """Where the request goes. The arguments are described at `kthena.Policy`."""

    def decide_many(
        self,
        pool: Pool,
        *,
        ids: Iterable[str] | None = None,
        count: int | None = None,
        model: str = "",
        prefix_depths: npt.NDArray[np.uint32] | None = None,
        prefix_totals: int | npt.NDArray[np.uint32] = 0,
        sequence_start: int = 0,
        now_ns: int = 0,
        seed: int = 0,
    ) -> npt.NDArray[np.uint32]:
        """Where many requests go, all on one state of the pool: positions of endpoints, NO_ENDPOINT where nobody can.

        Element i is the `index` of `decide(pool, id=ids[i], sequence=sequence_start + i, ...)` with row i of
        `prefix_depths` (an array of uint32 of requests x endpoints) and with `prefix_totals`, one number for all or
        an array of uint32 with one for each; the rest is the same for all. Without `ids`, `count` requests have the decimal
        forms of their sequence numbers as ids. Nothing is booked in between: the requests do not see each other.
        Other threads run meanwhile.
        """

    def explain_json(
        self,
        pool: Pool,
        *,
        id: str,
        model: str = "",
        prompt_tokens: int = 0,
        output_tokens: int = 0,
        prefix_depths: npt.NDArray[np.uint32] | None = None,
        prefix_total: int = 0,
        prefix_block_tokens: int = 0,
        prefix_host_depths: npt.NDArray[np.uint32] | None = None,
        prefix_disk_depths: npt.NDArray[np.uint32] | None = None,
        history_depths: npt.NDArray[np.uint32] | None = None,
        history_total: int = 0,
        history_block_tokens: int = 0,
        history_host_depths: npt.NDArray[np.uint32] | None = None,
        history_disk_depths: npt.NDArray[np.uint32] | None = None,
        session: str = "",
        near: Place | Mapping[str, str] | None = None,
        slo_ttft_s: float = 0.0,
        slo_tpot_s: float = 0.0,
        sequence: int = 0,
        now_ns: int = 0,
        seed: int = 0,
    ) -> str:
        """The same decision taken apart, as JSON."""

class PrefixQuery:
    def __init__(self, index: PrefixIndex, *, model: str = "", adapter: str = "", tenant: str = "") -> None: ...
    def extend(self, tokens: npt.NDArray[np.uint32]) -> object: ...
    def extend_contents(
        self, contents: npt.NDArray[np.uint64], uppers: npt.NDArray[np.uint64] | None = None
    ) -> object: ...
    def clear(self) -> None:
        """Forgets the prompt."""

    @property
    def blocks(self) -> int:
        """Full blocks so far: `prefix_total` of a request."""

class PrefixIndex:
    def __init__(
        self,
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
        dump: bytes | bytearray | memoryview | None = None,
    ) -> None: ...
    def options(self) -> dict[str, Any]: ...
    @property
    def block_tokens(self) -> int:
        """Tokens per block."""

    @property
    def worker_limit(self) -> int:
        """One more than the largest worker in use: the length of what `find` gives without `workers`."""

    def add_worker(self, name: str) -> int:
        """A new worker, or the one of that name. Its number is used in the other calls."""

    def find_worker(self, name: str) -> int | None:
        """The number of a worker; None when no worker has that name."""

    def worker_name(self, worker: int) -> str | None:
        """The name of a worker; None when the number is not in use."""

    def remove_worker(self, worker: int) -> None:
        """Drops a worker and all it holds: no answer and no count has it any more.

        Its number may be given out again. Its blocks stay in memory until `sweep`.
        """

    def sweep(self, max_blocks: int) -> int:
        """Frees what removed workers held, looking at `max_blocks` places at most. Gives what is left: 0 at the end."""

    def namespace_key(self, *, model: str = "", adapter: str = "", tenant: str = "") -> int:
        """The key under which blocks of a namespace are filed, as events have it."""

    def hash_blocks(self, tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]: ...
    def hash_blocks_upper(self, tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]: ...
    def store(
        self,
        worker: int,
        *,
        engine_hashes: npt.NDArray[np.uint64],
        tokens: npt.NDArray[np.uint32] | None = None,
        contents: npt.NDArray[np.uint64] | None = None,
        uppers: npt.NDArray[np.uint64] | None = None,
        parent: int | None = None,
        namespace_key: int,
        tier: int = 0,
    ) -> None: ...
    def remove(self, worker: int, *, engine_hashes: npt.NDArray[np.uint64], tier: int = 0) -> None: ...
    def clear(self, worker: int) -> None:
        """A worker dropped everything."""

    def expect(self, worker: int, query: PrefixQuery, *, now_ns: int) -> None:
        """The prompt was sent to this worker, which will soon hold its full blocks.

        Until they are stored, evicted or expired they are guesses and count as held. `now_ns`: a steady clock of the
        caller's. FailedPreconditionError where `max_expected_blocks` is 0, InvalidArgumentError for a query under
        another seed.
        """

    def expire(self, *, now_ns: int, max_blocks: int) -> int:
        """Drops guesses that were expected last `expected_ttl_ns` or longer ago, `max_blocks` at most.

        Gives their number: less than `max_blocks` when none is left that is due.
        """

    def find(
        self,
        query: PrefixQuery,
        *,
        workers: npt.NDArray[np.uint32] | Sequence[int] | None = None,
        candidates: Candidates | None = None,
        out: npt.NDArray[np.uint32] | None = None,
    ) -> npt.NDArray[np.uint32]:
        """Leading blocks of the query that workers hold, in any tier.

        With `workers`, element i belongs to `workers[i]` (`NO_WORKER` gives 0). Without, element w belongs to worker w;
        then `candidates` may leave out workers (their depth is 0): an array of bool by worker, or of uint64 with bit
        w % 64 of word w // 64. `out` is filled and given back: with `workers` of their length, else of any, and workers
        beyond it are left out. Without it there is a new array.
        """

    def find_batch(
        self,
        queries: Iterable[PrefixQuery],
        *,
        candidates: Candidates | None = None,
        out: npt.NDArray[np.uint32] | None = None,
    ) -> npt.NDArray[np.uint32]:
        """`find` for several queries, whose waits for memory overlap: a row per query, a column per worker."""

    def find_tiers(
        self,
        query: PrefixQuery,
        *,
        candidates: Candidates | None = None,
        out: npt.NDArray[np.uint32] | None = None,
    ) -> npt.NDArray[np.uint32]:
        """Depths by tier: a row per tier, a column per worker.

        Row t: leading blocks held in tier t or a faster one; the last row is what `find` says.
        """

    def find_best(
        self,
        query: PrefixQuery,
        loads: npt.NDArray[np.uint32] | Sequence[int],
        *,
        candidates: Candidates | None = None,
        block_cost: int = 1,
        tie_seed: int = 0,
    ) -> PrefixPick | None:
        """The worker with the least `load + block_cost * blocks of the query that it lacks`; None: no candidate.

        `loads[w]` belongs to worker w; workers beyond them are no candidates. `candidates` as in `find`. Equal costs
        fall by a hash of `tie_seed` and the worker's number.
        """

    def stats(self) -> dict[str, int]: ...
    def dump(self) -> bytes:
        """All of the index as bytes, the same on every machine: what `PrefixIndex.load` takes."""

    def dump_events(self, worker: int) -> list[tuple[Any, ...]]: ...

class Fleet:
    def __init__(
        self,
        *,
        ticket_type: type[Ticket],
        outcomes: tuple[TicketOutcome, ...],
        seed: int,
        max_tickets: int,
        max_endpoints: int,
        max_home_entries: int,
        routers: int,
        estimator: int,
        learn_rates: bool,
        idle_limit_ns: int,
        arrival_ns: int,
        block_tokens: int,
        max_workers: int,
        max_orphan_blocks: int,
        shared_engine_hashes: bool,
        max_expected_blocks: int,
        expected_ttl_ns: int,
        count_copies: bool,
        wide_contents: bool,
    ) -> None: ...
    def __len__(self) -> int: ...
    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the endpoints by number; empty where there is none."""

    def find(self, id: str) -> int | None:
        """The number of an endpoint; None when there is none of that id."""

    def add(
        self,
        ids: list[str],
        models: list[list[str]] | None,
        waiting_models: list[list[str]] | None,
        places: list[str] | None,
        now_ns: int,
    ) -> list[int]: ...
    def remove_endpoint(self, endpoint: str | int, *, now_ns: int) -> None:
        """Its tickets are dropped, and its number may be given again."""

    def restart_endpoint(self, endpoint: str | int, *, now_ns: int) -> None:
        """Its process began anew: tickets, samples, cache and learned rates are gone."""

    def put_models(self, endpoint: str | int, models: list[str], waiting_models: list[str]) -> None: ...
    def put_sample(self, endpoint: str | int, values: dict[str, float], *, sampled_ns: int, now_ns: int) -> None: ...
    def signal(self, endpoint: str | int, name: str) -> float:
        """One value; NaN where it was never sampled."""

    def index_as(self, type: type[Any]) -> Any: ...
    def decide(
        self,
        policy: Policy,
        tokens: npt.NDArray[np.uint32] | None = None,
        *,
        id: str,
        now_ns: int,
        model: str = "",
        adapter: str = "",
        tenant: str = "",
        prompt_tokens: int = 0,
        output_tokens: int = 0,
        session: str = "",
        near: Place | Mapping[str, str] | None = None,
        slo_ttft_s: float = 0.0,
        slo_tpot_s: float = 0.0,
        sequence: int = 0,
        seed: int = 0,
    ) -> tuple[Decision, Ticket | None]:
        """Where the request goes, booked. The arguments are described at `kthena.Fleet`."""

    def book(
        self,
        endpoint: str | int,
        tokens: npt.NDArray[np.uint32] | None = None,
        *,
        id: str,
        now_ns: int,
        model: str = "",
        adapter: str = "",
        tenant: str = "",
        prompt_tokens: int = 0,
        output_tokens: int = 0,
        session: str = "",
        near: Place | Mapping[str, str] | None = None,
        slo_ttft_s: float = 0.0,
        slo_tpot_s: float = 0.0,
        sequence: int = 0,
        seed: int = 0,
    ) -> Ticket:
        """Books a request that was sent to this endpoint whatever a decision said."""

    def first_token(self, ticket: Ticket, *, now_ns: int) -> TicketOutcome:
        """The first token of the answer came: the prompt leaves `uncached_tokens`, rates are learned."""

    def progress(self, ticket: Ticket, output_tokens: int, *, now_ns: int) -> TicketOutcome:
        """So many answer tokens since the start."""

    def finish(
        self, ticket: Ticket, output_tokens: int | None = None, *, now_ns: int, failed: bool = False
    ) -> TicketOutcome:
        """The end. `output_tokens`: of the whole answer; None: not known."""

    def expire(self, *, now_ns: int) -> int:
        """Releases tickets that were silent for `idle_limit_ns`, and expected blocks that are due.

        Gives the number of tickets.
        """

    def counts(self) -> dict[str, int]: ...

def engine_profiles_json() -> str: ...
def kv_batch_json(profile: str, payload: bytes | bytearray | memoryview) -> str: ...
def kv_message_sequence(frame: bytes | bytearray | memoryview) -> int: ...
def histogram_quantile(
    bounds: npt.NDArray[np.float64], cumulative: npt.NDArray[np.float64], count: float, q: float
) -> float: ...

class EngineSample:
    @property
    def sampled_ns(self) -> int | None: ...
    @property
    def ranks(self) -> tuple[int, ...]: ...
    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def adapters(self) -> tuple[float, tuple[str, ...], tuple[str, ...]] | None: ...
    @property
    def counts(self) -> dict[str, int]: ...
    def values(self, rank: int | None) -> tuple[float, ...]: ...
    def histogram(
        self, rank: int | None, latency: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float, float] | None: ...
    def json(self) -> str: ...

class EngineParser:
    def __init__(self, profile: str, *, model: str = "", max_ranks: int = 0, max_bytes: int = 0) -> None: ...
    def parse(self, text: str | bytes, sampled_ns: int | None) -> EngineSample: ...

class EngineInterval:
    def __init__(self, before: EngineSample | None, now: EngineSample) -> None: ...
    @property
    def elapsed_ns(self) -> int: ...
    @property
    def restarted(self) -> bool: ...
    @property
    def values(self) -> tuple[float, ...]: ...
    def histogram(
        self, latency: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float, float] | None: ...
    def json(self) -> str: ...

class KvStream:
    def __init__(
        self,
        profile: str,
        *,
        worker: int,
        model: str = "",
        group: int = 0,
        replay: bool = True,
        rank: int | None = None,
        max_bytes: int = 0,
        max_tracked_blocks: int = 0,
    ) -> None: ...
    def feed(
        self, payload: bytes | bytearray | memoryview, index: PrefixIndex, sequence: int | None
    ) -> tuple[Any, ...]: ...
    def feed_replay(
        self, payload: bytes | bytearray | memoryview, index: PrefixIndex, sequence: int
    ) -> tuple[Any, ...]: ...
    def replay_failed(self, index: PrefixIndex) -> tuple[Any, ...]: ...
    def info(self) -> dict[str, int]: ...

class Simulation:
    def __init__(self, scenario: str, trace: str | bytes = b"") -> None: ...
    def advance(self, max_events: int) -> bool: ...
    def progress(self) -> tuple[int, int]: ...
    def report_json(self) -> str: ...
    def requests_csv(self) -> str: ...
