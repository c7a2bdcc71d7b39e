#!/usr/bin/env python3
"""An independent model of a routing decision, from which the expectations in tests/vectors/route come.

It is written from the comments of the public headers, in plain Python on plain dictionaries, and shares no code with the
library: no columns, no workspace, no insertion into a short list. Python's floats are the same IEEE doubles, its int() truncates
as the policies do, and each formula is evaluated in the order that the headers state.

  tools/route_oracle.py --check [FILE...]   exit 1 unless every file is what --write would leave (the default)
  tools/route_oracle.py --write [FILE...]   fill in "expect" of every case and lay the file out

A case may carry "scores": facts published elsewhere, as {endpoint id: {scorer: score}}, null where the scorer abstains. They are
never written here: a case whose facts differ from the model fails both commands.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import route_parts_oracle

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors" / "route"
MASK = (1 << 64) - 1

Json = Any
Score = float | None  # None: the scorer abstains


# ---------------------------------------------------------------- hashes


def mix64(x: int) -> int:
    """Finaliser of SplitMix64, variant 13."""
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def combine64(running: int, value: int) -> int:
    return mix64((running * 0x9E3779B97F4A7C15 + value) & MASK)


def hash_id(text: str) -> int:
    """FNV-1a over the bytes, then mix64."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK
    return mix64(value)


# ---------------------------------------------------------------- documents


@dataclass
class Endpoint:
    id: str
    signals: dict[str, float]  # only those that were sampled
    models: list[str]
    waiting_models: list[str] = field(default_factory=list)
    place: dict[str, str] = field(default_factory=dict)  # by level; only those that are known
    sampled: dict[str, int] = field(default_factory=dict)  # by signal; only times that are known


@dataclass
class Part:
    name: str
    weight: float = 1.0
    options: dict[str, float] = field(default_factory=dict)
    tolerance: float = 0.0


@dataclass
class Policy:
    filters: list[Part]
    scorers: list[Part]
    picker: Part
    ranked_limit: int = 5
    combine: str = "sum"
    otherwise: list[Policy] = field(default_factory=list)
    staleness: list[Json] = field(default_factory=list)
    slow_start_s: float = 0.0


@dataclass
class Match:
    total: int  # blocks of the prompt
    depths: dict[str, int]  # blocks held, by endpoint id
    block_tokens: int = 0
    host: dict[str, int] | None = None  # the same in host memory or faster, on disk or faster; None: not known
    disk: dict[str, int] | None = None


@dataclass
class Case:
    endpoints: list[Endpoint]  # by id
    policy: Policy
    model: str
    request_key: int
    sequence: int
    prefix: Match | None  # None: nothing is known
    history: Match | None
    prompt_tokens: int = 0
    output_tokens: int = 0
    session: str = ""
    near: dict[str, str] = field(default_factory=dict)
    slo_ttft_s: float = 0.0
    slo_tpot_s: float = 0.0
    now_ns: int = 0
    seed: int = 0


SIGNALS = (
    "running",
    "waiting",
    "kv_usage",
    "ttft_s",
    "tpot_s",
    "in_flight",
    "prefill_requests",
    "prefill_tokens",
    "uncached_tokens",
    "output_tokens",
    "kv_tokens",
    "kv_capacity_tokens",
    "prefill_tps",
    "decode_tps",
    "max_running",
    "max_adapters",
    "context_min_tokens",
    "context_max_tokens",
    "held_blocks",
    "cold_turn",
    "ready_at_s",
)
LEVELS = ("host", "rack", "zone", "region")
NEVER = -(2**63)

# A Go router reads 0 where nothing was scraped, so the presets that stand for one say so.
LEAST_REQUEST = {"name": "least-request", "options": {"missing_requests": 0}}
LEAST_REQUEST_2025_09 = {"name": "least-request-2025-09", "options": {"missing_requests": 0}}
GPU_USAGE = {"name": "gpu-usage", "options": {"missing_usage": 0}}
BUILT_IN = [LEAST_REQUEST, "least-latency", "prefix-cache"]
PRESETS: dict[str, Json] = {
    "random": {"scorers": ["random"]},
    "round-robin": {"picker": "round-robin"},
    "kthena-default": {"filters": ["least-request"], "scorers": BUILT_IN},
    "kthena-helm": {"filters": ["least-request"], "scorers": [*BUILT_IN, GPU_USAGE]},
    "kthena-2025-09/least-request": {"scorers": [LEAST_REQUEST_2025_09]},
    "kthena-2025-09/gpu-usage": {"scorers": [GPU_USAGE]},
    "kthena-2025-09/least-latency": {"scorers": ["least-latency"]},
    "kthena-2025-09/least-request+prefix": {"scorers": [LEAST_REQUEST_2025_09, "prefix-cache"]},
    "kthena-2025-09/least-request+kv": {"scorers": [LEAST_REQUEST_2025_09, "kvcache-aware"]},
    **route_parts_oracle.PRESETS,
}


def read_part(document: Json) -> Part:
    if isinstance(document, str):
        return Part(document)
    options = {name: float(value) for name, value in document.get("options", {}).items()}
    return Part(document["name"], float(document.get("weight", 1)), options, float(document.get("tolerance", 0)))


def read_policy(document: Json) -> Policy:
    if isinstance(document, str):
        return read_policy(PRESETS[document])
    if "preset" in document:
        return read_policy(PRESETS[document["preset"]])
    return Policy(
        [read_part(part) for part in document.get("filters", [])],
        [read_part(part) for part in document.get("scorers", [])],
        read_part(document.get("picker", "best-score")),
        document.get("ranked_limit", 5),
        document.get("combine") or "sum",
        [read_policy(stage) for stage in document.get("otherwise") or []],
        document.get("staleness") or [],
        float(document.get("slow_start_s") or 0),
    )


def read_endpoint(document: Json) -> Endpoint:
    signals = {}
    sampled = {}
    for name in SIGNALS:
        sample = document.get(name)
        time = document.get("sampled_ns") or 0
        if isinstance(sample, dict):
            time = sample.get("sampled_ns", time)
            sample = sample["value"]
        if sample is not None:
            signals[name] = float(sample)
            if time != NEVER:
                sampled[name] = time
    return Endpoint(
        document["id"],
        signals,
        document.get("models") or [],
        document.get("waiting_models") or [],
        read_place(document.get("place")),
        sampled,
    )


def read_place(document: Json) -> dict[str, str]:
    """Names by level; an empty one is not known."""
    return {level: document[level] for level in LEVELS if document and document.get(level)}


def read_match(document: Json) -> Match | None:
    if document is None:
        return None
    return Match(
        document.get("total_blocks") or 0,
        document.get("depth_blocks") or {},
        document.get("block_tokens") or 0,
        document.get("host_depth_blocks"),
        document.get("disk_depth_blocks"),
    )


def host_depth(match: Match, id: str) -> int:
    """An endpoint that is not named holds no more there than on the device."""
    return (match.host or {}).get(id, match.depths.get(id, 0))


def disk_depth(match: Match, id: str) -> int:
    return (match.disk or {}).get(id, host_depth(match, id))


def read_case(document: Json) -> Case:
    request = document["request"]
    key = combine64(hash_id(request.get("id", "")), request.get("seed", 0))
    sequence = request.get("sequence", 0)
    endpoints = [read_endpoint(row) for row in document["pool"]["endpoints"]]
    return Case(
        sorted(endpoints, key=lambda endpoint: endpoint.id.encode()),
        read_policy(document["policy"]),
        request.get("model", ""),
        combine64(key, sequence),
        sequence,
        read_match(request.get("prefix")),
        read_match(request.get("history")),
        request.get("prompt_tokens") or 0,
        request.get("output_tokens") or 0,
        request.get("session") or "",
        read_place(request.get("near")),
        float(request.get("slo_ttft_s") or 0),
        float(request.get("slo_tpot_s") or 0),
        request.get("now_ns") or 0,
        request.get("seed") or 0,
    )


# ---------------------------------------------------------------- staleness and slow start


def corrected(rule: Json, endpoints: list[Endpoint], now_ns: int) -> tuple[list[Endpoint], set[str]]:
    """The endpoints with one signal as a decision sees it, and the ids that the rule excludes."""
    name = rule["signal"]
    then = rule.get("then") or "keep"
    fresh_ns, stale_ns = int(rule["fresh_s"] * 1e9), int(rule["stale_s"] * 1e9)
    tau = rule.get("tau_s") or (rule["stale_s"] - rule["fresh_s"]) / 3

    def age(endpoint: Endpoint) -> float:
        return now_ns - endpoint.sampled[name] if name in endpoint.sampled else math.inf

    known = [endpoint for endpoint in endpoints if name in endpoint.signals]
    if not known:
        return endpoints, set()
    values = [endpoint.signals[name] for endpoint in known if age(endpoint) <= fresh_ns]
    values = sorted(values or [endpoint.signals[name] for endpoint in known])
    median = values[(len(values) - 1) // 2]
    highest = max(endpoint.signals[name] for endpoint in known)
    instead: dict[str, Score] = {"median": median, "busy": highest, "abstain": None}
    excluded = set()
    out = []
    for endpoint in endpoints:
        value = endpoint.signals.get(name)
        if value is None:
            value = instead[then] if then in ("median", "busy") else None
        elif age(endpoint) > stale_ns:
            value = instead.get(then, value)
            if then == "exclude":
                excluded.add(endpoint.id)
        elif age(endpoint) > fresh_ns:
            beyond_s = (age(endpoint) - fresh_ns) / 1e9
            value = median + exp(-beyond_s / tau) * (value - median)
        signals = {other: reading for other, reading in endpoint.signals.items() if other != name}
        if value is not None:
            signals[name] = value
        out.append(replace(endpoint, signals=signals))
    usable = any(age(endpoint) <= stale_ns for endpoint in known)
    return out, excluded if usable else set()


def seen(case: Case) -> tuple[list[Endpoint], list[Endpoint]]:
    """All endpoints and those that may be candidates, after the rules of staleness."""
    endpoints = case.endpoints
    excluded: set[str] = set()
    for rule in case.policy.staleness:
        endpoints, more = corrected(rule, endpoints, case.now_ns)
        excluded |= more
    left = [endpoint for endpoint in endpoints if endpoint.id not in excluded]
    return endpoints, left or endpoints


def without_young(case: Case, candidates: list[Endpoint]) -> list[Endpoint]:
    """Slow start: those that sit this request out are left out, unless that is everybody."""
    ramp = case.policy.slow_start_s
    if ramp == 0:
        return candidates
    stream = combine64(case.request_key, ascii_number("SlowStar"))

    def stands(endpoint: Endpoint) -> bool:
        age = case.now_ns / 1e9 - endpoint.signals.get("ready_at_s", -math.inf)
        return age >= ramp or unit(mix64(stream ^ hash_id(endpoint.id))) < age / ramp

    return [endpoint for endpoint in candidates if stands(endpoint)] or candidates


# ---------------------------------------------------------------- filters and scorers


def kept(part: Part, case: Case, candidates: list[Endpoint]) -> list[Endpoint]:
    """Those that a filter leaves of the candidates that the filters before it left."""
    left = route_parts_oracle.kept(part, case, candidates, sys.modules[__name__])
    return [endpoint for endpoint in candidates if keeps(part, case, endpoint)] if left is None else left


def keeps(part: Part, case: Case, endpoint: Endpoint) -> bool:
    if part.name == "least-request":
        return endpoint.signals.get("waiting", 0.0) < part.options.get("max_waiting", 10.0)
    if part.name == "lora-affinity":
        return case.model in endpoint.models
    raise ValueError(f"unknown filter {part.name}")


def truncate(value: float) -> float:
    return float(int(value))


def by_load(loads: list[Score]) -> list[Score]:
    known = [load for load in loads if load is not None]
    most = max(known, default=0.0)
    if most > 0:
        return [None if load is None else truncate(((most - load) / most) * 100) for load in loads]
    return [None if load is None else 100.0 for load in loads]


def least_request(part: Part, candidates: list[Endpoint], sent: str, waits: str) -> list[Score]:
    """`sent` + weight * requests that wait; `waits` names their signal, or "" for sent - running."""
    missing = part.options.get("missing_requests")
    weight = part.options.get("waiting_weight", 100.0)
    loads: list[Score] = []
    for endpoint in candidates:
        base = endpoint.signals.get(sent, missing)
        other = endpoint.signals.get(waits or "running", missing)
        if base is None or other is None:
            loads.append(None)
        else:
            loads.append(base + weight * (other if waits else max(base - other, 0.0)))
    return by_load(loads)


def least_latency(part: Part, candidates: list[Endpoint]) -> list[Score]:
    share = part.options.get("ttft_share", 0.5)
    unmeasured = part.options.get("unmeasured_score", 50.0)
    rows = [(endpoint.signals.get("ttft_s", 0.0), endpoint.signals.get("tpot_s", 0.0)) for endpoint in candidates]
    measured = [row for row in rows if row[0] > 0 and row[1] > 0]

    def scaled(values: list[float], x: float) -> float:
        low, high = min(values), max(values)
        return 100 * (high - x) / (high - low) if high > low else 100.0

    scores: list[Score] = []
    for ttft, tpot in rows:
        if ttft > 0 and tpot > 0:
            first = scaled([row[0] for row in measured], ttft)
            token = scaled([row[1] for row in measured], tpot)
            scores.append(truncate(share * first + (1 - share) * token))
        else:
            scores.append(truncate(unmeasured))
    return scores


def gpu_usage(part: Part, candidates: list[Endpoint]) -> list[Score]:
    missing = part.options.get("missing_usage")
    used = [endpoint.signals.get("kv_usage", missing) for endpoint in candidates]
    return [None if share is None else truncate((1 - share) * 100) for share in used]


def by_depth(match: Match | None, candidates: list[Endpoint]) -> list[Score]:
    if match is None or match.total == 0:
        return [0.0 for _ in candidates]
    total, depths = match.total, match.depths
    return [truncate((min(depths.get(endpoint.id, 0), total) / total) * 100) for endpoint in candidates]


def random_scores(case: Case, candidates: list[Endpoint]) -> list[Score]:
    stream = combine64(case.request_key, 0x52616E646F6D)
    return [float(mix64(stream ^ hash_id(endpoint.id)) * 101 >> 64) for endpoint in candidates]


def opinions(part: Part, case: Case, candidates: list[Endpoint]) -> list[Score]:
    if part.name == "least-request":
        return least_request(part, candidates, "in_flight", "")
    if part.name == "least-request-2025-09":
        return least_request(part, candidates, "running", "waiting")
    if part.name == "least-latency":
        return least_latency(part, candidates)
    if part.name == "gpu-usage":
        return gpu_usage(part, candidates)
    if part.name == "prefix-cache":
        return by_depth(case.prefix if case.history is None else case.history, candidates)
    if part.name == "kvcache-aware":
        return by_depth(case.prefix, candidates)
    if part.name == "random":
        return random_scores(case, candidates)
    scores = route_parts_oracle.opinions(part, case, candidates, sys.modules[__name__])
    if scores is None:
        raise ValueError(f"unknown scorer {part.name}")
    return scores


# ---------------------------------------------------------------- reasons and totals

REASONS = {
    "best_score": 100,
    "tie_broken": 101,
    "only_candidate": 102,
    "round_robin": 103,
    "softmax_drawn": 104,
    "weighted_drawn": 105,
    "best_of_sample": 106,
    "explored": 107,
    "pool_empty": 110,
    "all_filtered": 111,
}


def reason(name: str, subject: int = 0, a: float = 0, b: float = 0) -> Json:
    return {"code": REASONS[name], "name": name, "subject": subject, "a": float(a), "b": float(b)}


def refused(why: Json, stage: int) -> Json:
    return {
        "outcome": "no_endpoint",
        "endpoint": None,
        "reason": why,
        "score": 0.0,
        "margin": 0.0,
        "candidates": 0,
        "ranked": [],
        "stage": stage,
    }


def bounded(score: Score) -> float:
    """An opinion in products and tiers."""
    return 0.0 if score is None else min(max(score, 0.0), 100.0)


def combined(policy: Policy, said: list[dict[str, Score]], ids: list[str]) -> dict[str, float]:
    """The totals, from what each scorer says."""
    if policy.combine == "product":
        totals = dict.fromkeys(ids, 100.0)
        for part, scores in zip(policy.scorers, said, strict=True):
            for id in ids:
                totals[id] *= 1 - part.weight * (1 - bounded(scores[id]) / 100)
        return totals
    if policy.combine == "tiers":
        totals = {}
        still_in = ids
        for tier, (part, scores) in enumerate(zip(policy.scorers, said, strict=True)):
            best = max(bounded(scores[id]) for id in still_in)
            for id in still_in:
                totals[id] = 1000.0 * tier + bounded(scores[id])
            still_in = [id for id in still_in if bounded(scores[id]) >= best - part.tolerance]
        totals.update(dict.fromkeys(still_in, 1000.0 * len(said)))
        return totals
    totals = dict.fromkeys(ids, 0.0)
    for part, scores in zip(policy.scorers, said, strict=True):
        for id in ids:
            score = scores[id]
            totals[id] += part.weight * (0.0 if score is None else score)
    return totals


# ---------------------------------------------------------------- pickers


def exp(x: float) -> float:
    """include/kthena/base/math.hpp, operation by operation: its last bits are part of a softmax's probability."""
    if x < -745.1332191019411:
        return 0.0
    scaled = x * 1.44269504088896338700e00
    k = int(scaled + (-0.5 if scaled < 0 else 0.5))
    high = x - k * 6.93147180369123816490e-01
    low = k * 1.90821492927058770002e-10
    r = high - low
    p = 1.0 / math.factorial(13)
    for n in range(12, 1, -1):
        p = p * r + 1.0 / math.factorial(n)
    correction = (high - r) - low
    y = 1 + (r + (r * r * p + correction * (1 + r)))
    return math.ldexp(y, k)


def unit(bits: int) -> float:
    return (bits >> 11) * 2.0**-53


def ascii_number(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def draw(ids: list[str], weights: dict[str, float], at: float) -> tuple[str, float]:
    """The id at which the running sum first exceeds `at` times the whole, and the sum."""
    running = 0.0
    sums = []
    for id in ids:
        if weights[id] > 0:
            running += weights[id]
            sums.append((running, id))
    for so_far, id in sums:
        if so_far > at * running:
            return id, running
    return sums[-1][1], running


def pick(policy: Policy, case: Case, ids: list[str], totals: dict[str, float]) -> tuple[list[str], float, Json]:
    """The full ranking, the margin and the reason. `ids` is in the order of the pool."""
    picker = policy.picker
    key = case.request_key
    by_total = sorted(ids, key=lambda id: (-totals[id], mix64(key ^ hash_id(id))))

    def chosen_first(*first: str) -> list[str]:
        return [*first, *(id for id in by_total if id not in first)]

    name = picker.name
    if name == "round-robin":
        first = case.sequence % len(ids)
        why = reason("round_robin", 0, float(case.sequence), len(ids))
        order = ids[first:] + ids[:first]
        return order, 0.0, reason("only_candidate", 0, totals[order[0]]) if len(ids) == 1 else why
    if len(ids) == 1:
        return ids, 0.0, reason("only_candidate", 0, totals[ids[0]])
    if name == "softmax" and picker.options.get("temperature", 10.0) > 0:
        temperature = picker.options.get("temperature", 10.0)
        highest = max(totals.values())
        weights = {id: exp((totals[id] - highest) / temperature) for id in ids}
        drawn, whole = draw(ids, weights, unit(combine64(key, ascii_number("Softmax"))))
        return chosen_first(drawn), 0.0, reason("softmax_drawn", 0, totals[drawn], weights[drawn] / whole)
    if name == "weighted-random":
        bits = combine64(key, ascii_number("Weighted"))
        if max(totals.values()) > 0:
            drawn, whole = draw(ids, totals, unit(bits))
            share = totals[drawn] / whole
        else:
            drawn, share = ids[bits * len(ids) >> 64], 1 / len(ids)
        return chosen_first(drawn), 0.0, reason("weighted_drawn", 0, totals[drawn], share)
    if name == "power-of-k":
        stream = combine64(key, ascii_number("PowerOfK"))
        sample = sorted(ids, key=lambda id: mix64(stream ^ hash_id(id)))[: int(picker.options.get("k", 2.0))]
        sample = [id for id in by_total if id in sample]
        margin = totals[sample[0]] - totals[sample[1]]
        return chosen_first(*sample), margin, reason("best_of_sample", 0, totals[sample[0]], len(sample))
    if name == "explore":
        stream = combine64(key, ascii_number("Explore"))
        if unit(stream) < picker.options.get("epsilon", 0.01):
            drawn = ids[combine64(stream, 1) * len(ids) >> 64]
            return chosen_first(drawn), 0.0, reason("explored", 0, totals[drawn], len(ids))
    elif name not in ("best-score", "softmax"):
        raise ValueError(f"unknown picker {name}")
    margin = totals[by_total[0]] - totals[by_total[1]]
    tied = sum(total == totals[by_total[0]] for total in totals.values())
    if margin == 0:
        return by_total, margin, reason("tie_broken", 0, totals[by_total[0]], tied)
    return by_total, margin, reason("best_score", 0, totals[by_total[0]], margin)


# ---------------------------------------------------------------- the decision


def decide(case: Case) -> tuple[Json, dict[str, dict[str, Score]]]:
    """The decision, and every scorer's opinion by endpoint id."""
    if not case.endpoints:
        return refused(reason("pool_empty"), 0), {}
    stages = [case.policy, *case.policy.otherwise]
    endpoints, entered = seen(case)
    case = replace(case, endpoints=endpoints)
    for number, stage in enumerate(stages):
        candidates = entered
        for position, part in enumerate(stage.filters):
            left = kept(part, case, candidates)
            if not left:
                why = reason("all_filtered", position, len(case.endpoints), len(candidates))
                break
            candidates = left
        else:
            return decide_stage(stage, number, case, without_young(case, candidates))
    return refused(why, len(stages) - 1), {}


def decide_stage(
    stage: Policy, number: int, case: Case, candidates: list[Endpoint]
) -> tuple[Json, dict[str, dict[str, Score]]]:
    ids = [endpoint.id for endpoint in candidates]
    said = [dict(zip(ids, opinions(part, case, candidates), strict=True)) for part in stage.scorers]
    scores = {id: {part.name: opinion[id] for part, opinion in zip(stage.scorers, said, strict=True)} for id in ids}
    totals = combined(stage, said, ids)
    order, margin, why = pick(stage, case, ids, totals)
    decision = {
        "outcome": "routed",
        "endpoint": order[0],
        "reason": why,
        "score": totals[order[0]],
        "margin": margin,
        "candidates": len(ids),
        "ranked": order[: case.policy.ranked_limit],
        "stage": number,
    }
    return decision, scores


# ---------------------------------------------------------------- files


def digits(value: float) -> str:
    """The shortest digits that read back equal; the library goes over to an exponent at 1e15, repr() at 1e16."""
    text = repr(value)
    if 1e15 <= abs(value) < 1e16:
        mantissa = text.removesuffix(".0").rstrip("0")
        text = f"{mantissa[0]}.{mantissa[1:]}e+15" if len(mantissa) > 1 else f"{mantissa}e+15"
    return text


def compact(value: Json) -> str:
    """JSON without blanks, as the library writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return digits(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def spaced(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def layout_pool(pool: Json) -> str:
    line = spaced(pool)
    if len(line) <= 120:
        return line
    rows = ",\n        ".join(spaced(row) for row in pool["endpoints"])
    return '{"endpoints": [\n        ' + rows + "\n      ]}"


def layout(document: Json) -> str:
    """One member a line; `expect` in the very bytes of the library's writer."""
    cases = []
    for case in document["cases"]:
        members = []
        for name, value in case.items():
            if name == "pool":
                text = layout_pool(value)
            elif name == "expect":
                text = compact(value)
            else:
                text = spaced(value)
            members.append(f"      {spaced(name)}: {text}")
        cases.append("    {\n" + ",\n".join(members) + "\n    }")
    return f'{{\n  "source": {spaced(document["source"])},\n  "cases": [\n' + ",\n".join(cases) + "\n  ]\n}\n"


MEMBERS = ("name", "source", "pool", "policy", "request", "scores", "expect")


def complete(document: Json, where: str) -> list[str]:
    """Fills in every `expect`; returns what is wrong with the facts."""
    faults = []
    for case in document["cases"]:
        label = f"{where}: {case['name']}"
        faults += [f"{label}: unknown member {name}" for name in case if name not in MEMBERS]
        expect, scores = decide(read_case(case))
        for endpoint, facts in case.get("scores", {}).items():
            for scorer, fact in facts.items():
                found = scores.get(endpoint, {}).get(scorer, "no score")
                if found != fact:
                    faults.append(f"{label}: {scorer} of {endpoint} is published as {fact}, here it is {found}")
        case["expect"] = expect
        ordered = {name: case[name] for name in MEMBERS if name in case}
        case.clear()
        case.update(ordered)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description="Expectations of tests/vectors/route from an independent model.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare, change nothing (default)")
    mode.add_argument("--write", action="store_true", help="fill in the expectations")
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()

    files = arguments.files or sorted(VECTORS.glob("*.json"))
    faults: list[str] = []
    names: set[str] = set()
    count = 0
    for path in files:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
        faults += complete(document, path.name)
        for case in document["cases"]:
            count += 1
            if case["name"] in names:
                faults.append(f"{path.name}: {case['name']}: the name is used twice")
            names.add(case["name"])
        expected = layout(document)
        if arguments.write:
            path.write_text(expected, encoding="utf-8")
        elif text != expected:
            at = next((i for i, (a, b) in enumerate(zip(text, expected, strict=False)) if a != b), 0)
            line = expected.count("\n", 0, at) + 1
            faults.append(f"{path.name}: line {line} differs from the model; see it with --write and git diff")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"route_oracle: {count} decisions in {len(files)} files, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
