# Two endpoints, one request, one decision with its reason.
import kthena
from kthena.reasons import TEXTS

pool = kthena.Pool(["pod-a", "pod-b"])
pool.update(running=[7, 2], in_flight=[9, 2], sampled_ns=0)
policy = kthena.Policy("kthena-default")
decision = policy.decide(pool, id="request-1", model="llama", seed=42)
print(f"{decision.endpoint}: {TEXTS[decision.reason]}")
