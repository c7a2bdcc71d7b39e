#!/usr/bin/env python3
"""Independent formulas of the parts of a routing policy, for tools/route_oracle.py.

Written from the comments at the head of include/kthena/route/policies/*.hpp, on plain lists, one endpoint after the other; it shares
no code with the library. Each formula is evaluated in the order that its header states, so that the doubles are the same.

  opinions(part, case, candidates, base)   what a scorer says, None where it abstains; None instead of a list: no such scorer here
  kept(part, case, candidates, base)       whom a filter keeps; None: no such filter here

`base` is the module of route_oracle: its hashes and its reading of matches.

  tools/route_parts_oracle.py --check      compares the formulas with figures worked out by hand
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import route_cost_oracle

SIGNALS = (
    "running waiting kv_usage ttft_s tpot_s in_flight prefill_requests prefill_tokens uncached_tokens output_tokens kv_tokens "
    "kv_capacity_tokens prefill_tps decode_tps max_running max_adapters context_min_tokens context_max_tokens held_blocks cold_turn "
    "ready_at_s"
).split()

Scores = list[Any]  # of float or None


# ---------------------------------------------------------------- from loads to opinions


def by_cost(costs: Scores) -> Scores:
    return [None if cost is None else 100 / (1 + cost) for cost in costs]


def divided(work: float, rate: float) -> float:
    """As IEEE divides: something by 0 never ends, nothing by 0 is not a number."""
    return work / rate if rate else float("inf") if work else float("nan")


def lower_in_range(values: Scores) -> Scores:
    known = [value for value in values if value is not None]
    if not known or max(known) == min(known):
        return [None if value is None else 100.0 for value in values]
    low, high = min(known), max(known)
    return [None if value is None else 100 * (high - value) / (high - low) for value in values]


def below_most(values: Scores) -> Scores:
    most = max((value for value in values if value is not None), default=0.0)
    if most > 0:
        return [None if value is None else 100 * (most - value) / most for value in values]
    return [None if value is None else 100.0 for value in values]


# ---------------------------------------------------------------- what a request says


class Prompt:
    """The match that `match` names first (0: history, 1: prefix), the other one where that is absent."""

    def __init__(self, case: Any, match: float, base: Any):
        first, other = (case.history, case.prefix) if match == 0 else (case.prefix, case.history)
        self.match = first if first is not None else other
        self.base = base
        self.blocks = float(self.match.total) if self.match is not None else 0.0
        told = self.match.block_tokens if self.match is not None else 0
        if told:
            self.block = float(told)
        elif case.prompt_tokens and self.blocks:
            self.block = case.prompt_tokens / self.blocks
        else:
            self.block = 1.0
        self.tokens = float(case.prompt_tokens) if case.prompt_tokens else self.blocks * self.block

    def tier(self, depth: Any, id: str) -> float:
        return 0.0 if self.match is None else float(min(depth(self.match, id), self.match.total))

    def device(self, id: str) -> float:
        return self.tier(lambda match, name: match.depths.get(name, 0), id)

    def host(self, id: str) -> float:
        return self.tier(self.base.host_depth, id)

    def disk(self, id: str) -> float:
        return self.tier(self.base.disk_depth, id)

    def uncached(self, id: str) -> float:
        return max(self.tokens - self.device(id) * self.block, 0.0)

    def ratio(self, id: str) -> float:
        return self.device(id) / self.blocks if self.blocks else 0.0


# ---------------------------------------------------------------- scorers


def min_max(part: Any, candidates: list[Any], signal: str) -> Scores:
    missing = part.options.get("missing_requests")
    return lower_in_range([endpoint.signals.get(signal, missing) for endpoint in candidates])


def signal_range(part: Any, candidates: list[Any]) -> Scores:
    options = part.options
    signal = SIGNALS[int(options.get("signal", 1))]
    values = [endpoint.signals.get(signal, options.get("missing")) for endpoint in candidates]
    known = [value for value in values if value is not None]
    low = options.get("minimum", min(known, default=0.0))
    high = options.get("maximum", max(known, default=0.0))
    scores: Scores = []
    for value in values:
        if value is None:
            scores.append(None)
        elif not high > low:
            scores.append(100.0)
        else:
            inside = min(max(value, low), high)
            lower = options.get("lower_is_better", 1) != 0
            scores.append(100 * (high - inside) / (high - low) if lower else 100 * (inside - low) / (high - low))
    return scores


def active_request(part: Any, candidates: list[Any]) -> Scores:
    options = part.options
    counts = [endpoint.signals.get("in_flight", options.get("missing_requests")) for endpoint in candidates]
    most = max((count for count in counts if count is not None), default=0.0)
    scores: Scores = []
    for count in counts:
        if count is None:
            scores.append(None)
        elif count <= options.get("idle_requests", 0.0):
            scores.append(100.0)
        else:
            scores.append((most - count) / most * options.get("max_busy_score", 100.0))
    return scores


def load_aware(part: Any, candidates: list[Any]) -> Scores:
    threshold = part.options.get("threshold", 128.0)
    queues = [endpoint.signals.get("waiting", part.options.get("missing_requests")) for endpoint in candidates]
    return [None if queue is None else 50 * (1 - min(queue, threshold) / threshold) for queue in queues]


def token_load(part: Any, candidates: list[Any], prompt: Prompt) -> Scores:
    full = part.options.get("full_tokens", 4194304.0)
    scores: Scores = []
    for endpoint in candidates:
        booked = endpoint.signals.get("uncached_tokens", part.options.get("missing_tokens"))
        share = None if booked is None else (booked + prompt.uncached(endpoint.id)) / full
        scores.append(None if share is None else 100 * (1 - min(share, 1.0)))
    return scores


def outstanding_tokens(part: Any, candidates: list[Any]) -> Scores:
    missing = part.options.get("missing_tokens")
    loads: Scores = []
    for endpoint in candidates:
        prompts = endpoint.signals.get("uncached_tokens", missing)
        answers = endpoint.signals.get("output_tokens", missing)
        known = prompts is not None and answers is not None
        loads.append(prompts + part.options.get("output_weight", 1.0) * answers if known else None)
    return below_most(loads)


def kv_utilization(part: Any, candidates: list[Any]) -> Scores:
    usage = [endpoint.signals.get("kv_usage", part.options.get("missing_usage")) for endpoint in candidates]
    return [None if share is None else (1 - share) * 100 for share in usage]


def slo_headroom(part: Any, case: Any, candidates: list[Any]) -> Scores:
    a, b = part.options.get("ttft_weight", 0.8), part.options.get("tpot_weight", 0.2)
    a, b = (a / (a + b), b / (a + b)) if a + b > 0 else (1.0, 0.0)
    rows: list[Any] = []
    for endpoint in candidates:
        ttft, tpot = endpoint.signals.get("ttft_s"), endpoint.signals.get("tpot_s")
        if ttft is None or tpot is None:
            rows.append(None)
            continue
        first, token = case.slo_ttft_s - ttft, case.slo_tpot_s - tpot
        if first >= 0 and token >= 0:
            group = 0
        elif endpoint.signals.get("in_flight") == 0:
            group = 1
        else:
            group = 4 if first < 0 and token < 0 else 3 if first < 0 else 2
        rows.append((group, abs(first), abs(token)))
    known = [row for row in rows if row is not None]
    if not known:
        return [None for _ in candidates]
    chosen = min(row[0] for row in known)
    firsts = [row[1] for row in known if row[0] == chosen]
    tokens = [row[2] for row in known if row[0] == chosen]
    first_width, token_width = max(firsts) - min(firsts), max(tokens) - min(tokens)
    if first_width <= 1e-12 < token_width:
        a, b = 0.0, 1.0
    elif token_width <= 1e-12 < first_width:
        a, b = 1.0, 0.0
    scores: Scores = []
    for row in rows:
        if row is None or row[0] != chosen:
            scores.append(None if row is None else 0.0)
            continue
        first = (row[1] - min(firsts)) / first_width if first_width > 1e-12 else 0.5
        token = (row[2] - min(tokens)) / token_width if token_width > 1e-12 else 0.5
        share = a * first + b * token
        most = part.options.get("most", 0) != 0 and chosen == 0
        scores.append(1 + 99 * (share if most else 1 - share))
    return scores


def capability(candidates: list[Any], case: Any, prompt: Prompt) -> Scores:
    costs: Scores = []
    for endpoint in candidates:
        signals = endpoint.signals
        if "prefill_tps" not in signals or "decode_tps" not in signals:
            costs.append(None)
            continue
        prompts = signals.get("uncached_tokens", 0.0) + prompt.uncached(endpoint.id)
        answers = signals.get("output_tokens", 0.0) + case.output_tokens
        costs.append(divided(prompts, signals["prefill_tps"]) + divided(answers, signals["decode_tps"]))
    return [
        None if cost != cost else score for cost, score in zip([c or 0.0 for c in costs], by_cost(costs), strict=True)
    ]


def prefix_tiers(part: Any, candidates: list[Any], prompt: Prompt) -> Scores:
    device_weight = part.options.get("device_weight", 1.0)
    host_weight = part.options.get("host_weight", 0.75)
    disk_weight = part.options.get("disk_weight", 0.25)
    scores: Scores = []
    for endpoint in candidates:
        device, host, disk = prompt.device(endpoint.id), prompt.host(endpoint.id), prompt.disk(endpoint.id)
        worth = device_weight * device + host_weight * (host - device) + disk_weight * (disk - host)
        scores.append(100 * worth / (prompt.blocks or 1.0))
    return scores


def cached_tokens(part: Any, candidates: list[Any], prompt: Prompt) -> Scores:
    full = part.options.get("full_tokens", 16384.0)
    return [100 * min(prompt.device(endpoint.id) * prompt.block / full, 1.0) for endpoint in candidates]


def lora_affinity(part: Any, case: Any, candidates: list[Any]) -> Scores:
    scores: Scores = []
    for endpoint in candidates:
        adapters = len(set(endpoint.models)) + len(set(endpoint.waiting_models)) - part.options.get("base_names", 0.0)
        if case.model in endpoint.models:
            scores.append(100.0)
        elif adapters < endpoint.signals.get("max_adapters", 0.0):
            scores.append(80.0)
        else:
            scores.append(60.0 if case.model in endpoint.waiting_models else 0.0)
    return scores


def session_weights(case: Any, candidates: list[Any], base: Any) -> Scores:
    key = base.combine64(base.hash_id(case.session), case.seed)
    return [(base.mix64(key ^ base.hash_id(endpoint.id)) >> 11) * 2.0**-53 for endpoint in candidates]


def session_rendezvous(case: Any, candidates: list[Any], base: Any) -> Scores:
    if not case.session:
        return [None for _ in candidates]
    weights = session_weights(case, candidates, base)
    return [100.0 if weight == max(weights) else 50 * weight for weight in weights]


def session_ring(part: Any, case: Any, candidates: list[Any], base: Any) -> Scores:
    if not case.session:
        return [None for _ in candidates]
    signal = SIGNALS[int(part.options.get("signal", 5))]
    loads = [endpoint.signals.get(signal, 0.0) for endpoint in candidates]
    total = 0.0
    for load in loads:
        total += load
    bound = (1 + part.options.get("spread", 0.25)) * (total + 1) / len(candidates)
    weights = session_weights(case, candidates, base)
    scores = [50 + 25 * weight if load <= bound else 25 * weight for weight, load in zip(weights, loads, strict=True)]
    return [100.0 if score == max(scores) else score for score in scores]


def context_length(case: Any, candidates: list[Any], base: Any) -> Scores:
    length = Prompt(case, 1, base).tokens
    scores: Scores = []
    for endpoint in candidates:
        low, high = endpoint.signals.get("context_min_tokens", 0.0), endpoint.signals.get("context_max_tokens")
        if high is None:
            scores.append(50.0)
        elif low > high:
            scores.append(0.0)
        elif low <= length <= high:
            width = high - low
            if width == 0:
                scores.append(100.0)
            else:
                scores.append(
                    100 * (0.3 + (0.7 * (1 / (1 + width / 10000)) + 0.3 * ((high - length) / width)) * (1 - 0.3))
                )
        else:
            distance = length - high if length > high else low - length
            scores.append(100 * (0.3 / (1 + distance / 1000)))
    return scores


def topology(part: Any, case: Any, candidates: list[Any]) -> Scores:
    steps = {"host": 100.0, "rack": 20.0, "zone": 5.0, "region": 2.0}
    if not case.near:
        return [None for _ in candidates]
    scores: Scores = []
    for endpoint in candidates:
        score = 0.0
        for level, worth in steps.items():
            if level in case.near and endpoint.place.get(level) == case.near[level]:
                score = part.options.get(level, worth)
                break
        scores.append(score)
    return scores


def no_hit_lru(candidates: list[Any], prompt: Prompt) -> Scores:
    if any(prompt.device(endpoint.id) > 0 for endpoint in candidates):
        return [50.0 for _ in candidates]
    turns = [endpoint.signals.get("cold_turn") for endpoint in candidates]
    used = [turn for turn in turns if turn is not None]
    unused = len(turns) - len(used)
    last = max(len(turns) - 1, 1)
    scores: Scores = []
    before = 0
    for turn in turns:
        if turn is None:
            rank, before = before, before + 1
        else:
            rank = unused + sum(other < turn for other in used)
        scores.append(100 * (1 - rank / last))
    return scores


def lmetric(part: Any, candidates: list[Any], prompt: Prompt) -> Scores:
    signal = SIGNALS[int(part.options.get("signal", 5))]
    scores: Scores = []
    for endpoint in candidates:
        batch = endpoint.signals.get(signal, part.options.get("missing_requests"))
        scores.append(None if batch is None else 100 / ((prompt.uncached(endpoint.id) + 1) * (batch + 1)))
    return scores


def smg_least_load(part: Any, candidates: list[Any]) -> Scores:
    options = part.options
    default = options.get("default_tps", 2000.0)
    reporting = [endpoint for endpoint in candidates if "kv_usage" in endpoint.signals]
    rates = [endpoint.signals["decode_tps"] for endpoint in reporting if endpoint.signals.get("decode_tps", 0.0) > 0]
    total = 0.0
    for rate in rates:
        total += rate
    nominal = total / len(rates) if rates else default
    costs: Scores = []
    for endpoint in candidates:
        signals = endpoint.signals
        sent = signals.get("in_flight", 0.0)
        if not reporting:
            costs.append(sent)
        elif "kv_usage" not in signals:
            costs.append(sent * options.get("request_tokens", 1024.0) / nominal)
        else:
            rate = signals.get("decode_tps", 0.0) or default
            k = min(signals["kv_usage"], 0.999)
            costs.append(signals.get("uncached_tokens", 0.0) / rate + options.get("kv_weight_s", 0.15) * k / (1 - k))
    return by_cost(costs)


def dynamo_kv(part: Any, candidates: list[Any], prompt: Prompt) -> Scores:
    options = part.options
    block = prompt.block if prompt.blocks else options.get("block_tokens", 16.0)
    backlogs = [endpoint.signals.get("uncached_tokens", 0.0) for endpoint in candidates]
    asked = prompt.tokens / block
    decay = options.get("credit_decay", 0.0) / asked if asked > 0 else 0.0
    scores: Scores = []
    for endpoint, backlog in zip(candidates, backlogs, strict=True):
        device, host, disk = prompt.device(endpoint.id), prompt.host(endpoint.id), prompt.disk(endpoint.id)
        device_credit = options.get("device_credit", 1.0) / (1 + decay * ((backlog - min(backlogs)) / block))
        credit = (
            device_credit * device
            + options.get("host_credit", 0.75) * (host - device)
            + options.get("disk_credit", 0.25) * (disk - host)
        )
        prefill = max(backlog + prompt.tokens - credit * block, 0.0)  # all in tokens
        cost = options.get("prefill_scale", 1.0) * prefill + endpoint.signals.get("kv_tokens", 0.0)
        cost += options.get("request_weight", 0.0) * endpoint.signals.get("in_flight", 0.0) * block
        scores.append(100 * (block / (block + cost)))
    return scores


def preble(part: Any, candidates: list[Any], prompt: Prompt) -> Scores:
    longest = max(prompt.device(endpoint.id) for endpoint in candidates)
    exploit = longest * prompt.block > prompt.tokens - longest * prompt.block
    scores: Scores = []
    for endpoint in candidates:
        signals = endpoint.signals
        prefill_tps = signals.get("prefill_tps", 0.0) or part.options.get("prefill_tps", 15928.0)
        decode_tps = signals.get("decode_tps", 0.0) or part.options.get("decode_tps", 2000.0)
        new = prompt.uncached(endpoint.id)
        booked = signals.get("uncached_tokens", 0.0)
        decode = signals.get("output_tokens", 0.0) / decode_tps
        evicted = 0.0
        if "held_blocks" in signals and "kv_capacity_tokens" in signals:
            evicted = max(signals["held_blocks"] * prompt.block + new - signals["kv_capacity_tokens"], 0.0)
        cost = (booked + (evicted + new)) / prefill_tps + decode
        if not exploit:
            scores.append(100 / (1 + cost))
        elif prompt.device(endpoint.id) == longest:
            scores.append(50 / (1 + (booked / prefill_tps + decode)) + 50)
        else:
            scores.append(50 / (1 + cost))
    return scores


def prequal(part: Any, candidates: list[Any]) -> Scores:
    options = part.options
    counts = [endpoint.signals.get("in_flight", options.get("missing_requests")) for endpoint in candidates]
    known = sorted(count for count in counts if count is not None)
    wanted = options.get("quantile", 0.84) * len(known)
    rank = int(wanted) + (1 if int(wanted) < wanted else 0)
    limit = known[rank - 1] if rank else -1.0
    signal = SIGNALS[int(options.get("latency_signal", 3))]
    scores: Scores = []
    for endpoint, count in zip(candidates, counts, strict=True):
        latency = endpoint.signals.get(signal, 0.0) or options.get("unmeasured", 0.0)
        if count is None:
            scores.append(None)
        else:
            scores.append(50 + 50 / (1 + latency) if count <= limit else 50 / (1 + count))
    return scores


def opinions(part: Any, case: Any, candidates: list[Any], base: Any) -> Scores | None:
    default_match = {"prefix-ratio": 0, "no-hit-lru": 0}.get(part.name, 1)
    prompt = Prompt(case, part.options.get("match", default_match), base)
    table: dict[str, Callable[[], Scores]] = {
        "cost": lambda: route_cost_oracle.cost(
            part, case, candidates, case.endpoints, Prompt(case, 1, base), Prompt(case, 0, base)
        ),
        "queue": lambda: min_max(part, candidates, "waiting"),
        "running": lambda: min_max(part, candidates, "running"),
        "signal-range": lambda: signal_range(part, candidates),
        "active-request": lambda: active_request(part, candidates),
        "load-aware": lambda: load_aware(part, candidates),
        "token-load": lambda: token_load(part, candidates, prompt),
        "outstanding-tokens": lambda: outstanding_tokens(part, candidates),
        "kv-utilization": lambda: kv_utilization(part, candidates),
        "slo-headroom": lambda: slo_headroom(part, case, candidates),
        "capability": lambda: capability(candidates, case, prompt),
        "prefix-ratio": lambda: [100 * prompt.ratio(endpoint.id) for endpoint in candidates],
        "prefix-tiers": lambda: prefix_tiers(part, candidates, prompt),
        "cached-tokens": lambda: cached_tokens(part, candidates, prompt),
        "lora-affinity": lambda: lora_affinity(part, case, candidates),
        "session-rendezvous": lambda: session_rendezvous(case, candidates, base),
        "session-ring": lambda: session_ring(part, case, candidates, base),
        "context-length": lambda: context_length(case, candidates, base),
        "topology": lambda: topology(part, case, candidates),
        "no-hit-lru": lambda: no_hit_lru(candidates, prompt),
        "lmetric": lambda: lmetric(part, candidates, prompt),
        "smg-least-load": lambda: smg_least_load(part, candidates),
        "dynamo-kv": lambda: dynamo_kv(part, candidates, prompt),
        "preble": lambda: preble(part, candidates, prompt),
        "prequal": lambda: prequal(part, candidates),
    }
    return table[part.name]() if part.name in table else None


# ---------------------------------------------------------------- filters


def loads_of(part: Any, candidates: list[Any], default: int) -> list[Any]:
    signal = SIGNALS[int(part.options.get("signal", default))]
    return [endpoint.signals.get(signal) for endpoint in candidates]


def imbalanced(part: Any, candidates: list[Any]) -> bool:
    known = [load for load in loads_of(part, candidates, 0) if load is not None]
    if not known:
        return False
    low, high = min(known), max(known)
    gap, ratio = part.options.get("gap", 0.0), part.options.get("ratio", 0.0)
    return bool(high - low > gap and high > ratio * low)


def within_bound(part: Any, candidates: list[Any]) -> list[Any]:
    loads = loads_of(part, candidates, 0)
    count, total = 0, 0.0
    for load in loads:
        if load is not None:
            count, total = count + 1, total + load
    if count == 0:
        return candidates
    mean = total / count
    squares = 0.0
    for load in loads:
        if load is not None:
            squares += (load - mean) * (load - mean)
    sigmas, spread = part.options.get("sigmas"), part.options.get("spread")

    def fits(load: float | None) -> bool:
        if load is None or load <= mean:
            return True
        if sigmas is not None and (load - mean) * (load - mean) > sigmas * sigmas * (squares / count):
            return False
        return spread is None or load <= (1 + spread) * (total + 1) / count

    return [endpoint for endpoint, load in zip(candidates, loads, strict=True) if fits(load)]


def least_loaded(part: Any, candidates: list[Any]) -> list[Any]:
    loads = loads_of(part, candidates, 5)
    known = [load for load in loads if load is not None]
    if not known:
        return candidates
    enough = min(known) + part.options.get("tolerance", 0.0)
    return [endpoint for endpoint, load in zip(candidates, loads, strict=True) if load is not None and load <= enough]


def prefix_affinity(part: Any, candidates: list[Any], prompt: Prompt) -> list[Any]:
    sticky = [endpoint for endpoint in candidates if prompt.ratio(endpoint.id) >= part.options.get("share", 0.8)]
    others = [endpoint for endpoint in candidates if endpoint not in sticky]
    gap = part.options.get("max_gap_s", 18.0)
    if not sticky:
        return candidates
    if not others or gap == 0:
        return sticky

    def waits(endpoints: list[Any]) -> list[float]:
        return [
            endpoint.signals["uncached_tokens"]
            / (endpoint.signals.get("prefill_tps", 0.0) or part.options.get("prefill_tps", 15928.0))
            for endpoint in endpoints
            if "uncached_tokens" in endpoint.signals
        ]

    sticky_waits = waits(sticky)
    other_waits = waits(others)
    if not sticky_waits or not other_waits or min(sticky_waits) - min(other_waits) > gap:
        return candidates
    return sticky


def fits(case: Any, endpoint: Any, prompt: Prompt) -> bool:
    tokens = prompt.tokens + case.output_tokens
    limits = (endpoint.signals.get("kv_capacity_tokens"), endpoint.signals.get("context_max_tokens"))
    return all(limit is None or tokens <= limit for limit in limits)


def in_context(endpoint: Any, prompt: Prompt) -> bool:
    low, high = endpoint.signals.get("context_min_tokens", 0.0), endpoint.signals.get("context_max_tokens")
    return low <= prompt.tokens and (high is None or prompt.tokens <= high)


def kept(part: Any, case: Any, candidates: list[Any], base: Any) -> list[Any] | None:
    default_match = {"prefix-threshold": 0, "prefix-affinity": 0}.get(part.name, 1)
    prompt = Prompt(case, part.options.get("match", default_match), base)
    if part.name == "imbalanced":
        return candidates if imbalanced(part, candidates) else []
    if part.name == "balanced":
        return [] if imbalanced(part, candidates) else candidates
    if part.name == "load-bound":
        return within_bound(part, candidates)
    if part.name == "least-loaded":
        return least_loaded(part, candidates)
    if part.name == "prefix-threshold":
        return [endpoint for endpoint in candidates if prompt.ratio(endpoint.id) > part.options.get("above", 0.5)]
    if part.name == "prefix-affinity":
        return prefix_affinity(part, candidates, prompt)
    if part.name == "fits":
        return [endpoint for endpoint in candidates if fits(case, endpoint, prompt)]
    if part.name == "context-length":
        return [endpoint for endpoint in candidates if in_context(endpoint, prompt)]
    return None


# ---------------------------------------------------------------- presets

IN_FLIGHT = {"name": "active-request", "options": {"missing_requests": 0}}
BY_PREFIX = {"name": "prefix-ratio", "options": {"match": 1}}
PRESETS: dict[str, Any] = {
    "cost": {"scorers": ["cost"]},
    "least-request": {"scorers": [IN_FLIGHT]},
    "least-request+history": {"scorers": [IN_FLIGHT, "prefix-ratio"]},
    "least-request+kv": {"scorers": [IN_FLIGHT, BY_PREFIX]},
    "p2c": {"scorers": [IN_FLIGHT], "picker": "power-of-k"},
    "llmd-default": {
        "scorers": [
            {"name": "queue", "weight": 2, "options": {"missing_requests": 0}},
            {"name": "kv-utilization", "weight": 2, "options": {"missing_usage": 0}},
            {"name": "prefix-ratio", "weight": 3},
        ]
    },
    "aibrix-prefix": {
        "filters": [{"name": "imbalanced", "options": {"signal": 5, "gap": 8}}],
        "scorers": [IN_FLIGHT],
        "otherwise": [
            {
                "filters": [
                    {"name": "load-bound", "options": {"signal": 5, "sigmas": 1}},
                    {"name": "prefix-threshold", "options": {"above": 0}},
                ],
                "scorers": ["prefix-cache", IN_FLIGHT],
                "combine": "tiers",
            },
            {"scorers": [IN_FLIGHT]},
        ],
    },
    "smg-least-load": {"scorers": ["smg-least-load"]},
    "smg-cache-aware": {
        "filters": [{"name": "imbalanced", "options": {"signal": 5, "gap": 32, "ratio": 1.1}}],
        "scorers": [IN_FLIGHT],
        "otherwise": [
            {"filters": ["prefix-threshold"], "scorers": ["prefix-ratio", IN_FLIGHT], "combine": "tiers"},
            {"scorers": [{"name": "signal-range", "options": {"signal": 18, "missing": 0}}]},
        ],
    },
    "dynamo-kv": {"scorers": ["dynamo-kv"]},
    "lmetric": {"scorers": [{"name": "lmetric", "options": {"missing_requests": 0}}]},
    "preble": {"scorers": ["preble"]},
    "prequal": {"scorers": [{"name": "prequal", "options": {"missing_requests": 0}}]},
}

# ---------------------------------------------------------------- by hand


def check() -> int:
    def part(name: str, **options: float) -> Any:
        return SimpleNamespace(name=name, options=options)

    def fleet(**signals: list[Any]) -> list[Any]:
        count = len(next(iter(signals.values())))
        return [
            SimpleNamespace(id=str(i), signals={name: float(values[i]) for name, values in signals.items()})
            for i in range(count)
        ]

    table = [
        (min_max(part("queue"), fleet(waiting=[10, 5, 0]), "waiting"), [0, 50, 100]),
        (active_request(part("active-request"), fleet(in_flight=[3, 0, 6])), [50, 100, 0]),
        (load_aware(part("load-aware", threshold=10.0), fleet(waiting=[2, 0, 15])), [40, 50, 0]),
        (kv_utilization(part("kv-utilization"), fleet(kv_usage=[0, 0.5, 1])), [100, 50, 0]),
        (smg_least_load(part("smg"), fleet(kv_usage=[0, 0.5], uncached_tokens=[2000, 0])), [50, 100 / 1.15]),
        (prequal(part("prequal"), fleet(in_flight=[0, 9], ttft_s=[1, 1])), [75, 75]),
        (prequal(part("prequal", quantile=0.5), fleet(in_flight=[0, 9], ttft_s=[1, 0.1])), [75, 5]),
    ]
    faults = [f"{got} is not {wanted}" for got, wanted in table if got != wanted]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"route_parts_oracle: {len(table)} figures, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(check())
