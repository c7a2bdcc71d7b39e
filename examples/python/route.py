"""One routing decision: a pool of endpoints, a policy, a request.

python examples/python/route.py
"""

from typing import Any

import kthena
import numpy as np

# The endpoints, and what was scraped from them last. Numpy arrays are read in place.
pool = kthena.Pool(["pod-a", "pod-b", "pod-c"], models=[["llama"], ["llama"], ["llama"]])
pool.update(
    running=np.array([8.0, 2.0, 5.0]),
    waiting=np.array([1.0, 0.0, 0.0]),
    in_flight=np.array([9.0, 2.0, 5.0]),
    sampled_ns=1_000_000_000,
)

# Who holds the beginning of this prompt? Here pod-c has just served the same system prompt.
index = kthena.PrefixIndex(block_tokens=16)
for name in pool.ids:
    index.add_worker(name)
system_prompt = np.arange(64, dtype=np.uint32)
index.store(index.add_worker("pod-c"), tokens=system_prompt, engine_hashes=[1, 2, 3, 4], model="llama")
query = index.query(model="llama").extend(system_prompt).extend([7, 8, 9])
depths = index.find(query, workers=index.workers(pool.ids))

policy = kthena.Policy("kthena-default")
arguments: dict[str, Any] = {"id": "request-1", "model": "llama", "now_ns": 1_500_000_000, "seed": 1}
decision = policy.decide(pool, **arguments, prefix_depths=depths, prefix_total=query.blocks)
print(f"{decision.endpoint}, then {', '.join(decision.failover)}: {decision.reason.name.lower()}")
assert decision.endpoint == "pod-c"

# Why? The same decision taken apart.
explanation = policy.explain(pool, **arguments, prefix_depths=depths, prefix_total=query.blocks)
for candidate in sorted(explanation.candidates, key=lambda candidate: candidate.rank):
    terms = " + ".join(f"{term.contribution:g} {term.scorer}" for term in candidate.terms)
    print(f"  {candidate.rank}. {candidate.endpoint}: {candidate.total:g} = {terms}")
