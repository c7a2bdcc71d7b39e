"""Independent formula of the scorer `cost`, for tools/route_parts_oracle.py; written from include/kthena/route/policies/cost.hpp's head."""

from __future__ import annotations

from typing import Any

DEFAULTS = {
    "first_token_weight": 2.0,
    "patience_s": 0.5,
    "home_share": 0.6,
    "sequence_tokens": 2.0,
    "context_share": 0.001,
    "evicted_share": 0.5,
    "output_tokens": 256.0,
    "prefill_tps": 10000.0,
    "adapter_load_s": 0.1,
}


def cost(part: Any, case: Any, candidates: list[Any], pool: list[Any], held: Any, home: Any) -> list[float]:
    """`held` and `home`: the prompt by Request.prefix first and by Request.history first. Never abstains."""
    option = {name: part.options.get(name, value) for name, value in DEFAULTS.items()}
    known = [endpoint.signals["prefill_tps"] for endpoint in candidates if endpoint.signals.get("prefill_tps", 0) > 0]
    total = 0.0
    for rate in known:
        total += rate
    usual = total / len(known) if known else option["prefill_tps"]
    all_decode = all(endpoint.signals.get("decode_tps", 0) > 0 for endpoint in candidates)
    shortest = min(endpoint.signals.get("uncached_tokens", 0.0) for endpoint in candidates)
    prompt = max(held.tokens, home.tokens)
    answer = float(case.output_tokens) if case.output_tokens else option["output_tokens"]
    step = option["sequence_tokens"] + option["context_share"] * (prompt + answer / 2)
    serving = [endpoint for endpoint in pool if case.model in endpoint.models + endpoint.waiting_models]

    scores = []
    for endpoint in candidates:
        signals = endpoint.signals
        n = signals.get("in_flight", 0.0)
        rate = signals.get("prefill_tps", 0.0) if signals.get("prefill_tps", 0.0) > 0 else usual
        here = held.device(endpoint.id) * held.block
        remembered = home.device(endpoint.id) * home.block - here
        fresh = max(prompt - here - option["home_share"] * max(remembered, 0.0), 1.0)
        queue = signals.get("uncached_tokens", 0.0)
        longer = 0.0 if signals.get("kv_usage", 0.0) > 0.9 else queue - shortest
        own = option["first_token_weight"] * queue
        own += longer * longer / (option["patience_s"] * rate)
        own += fresh
        own += answer * (n * option["sequence_tokens"] + option["context_share"] * signals.get("kv_tokens", 0.0))
        others = n * (fresh + answer * step)
        evicted = 0.0
        if "kv_capacity_tokens" in signals and "held_blocks" in signals:
            room = signals["kv_capacity_tokens"] - signals["held_blocks"] * held.block
            evicted = max(fresh + answer - room, 0.0)
        tokens = own + others
        tokens += (1 + n) * option["evicted_share"] * evicted
        score = -(tokens / rate) - (answer / signals["decode_tps"] if all_decode else 0.0)
        if case.model and serving and case.model not in endpoint.models:
            score -= (1 + n) * option["adapter_load_s"]
        scores.append(score)
    return scores
