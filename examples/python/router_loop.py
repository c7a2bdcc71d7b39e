"""A router's loop with Fleet: token ids in, a booked decision out, and what the answer tells it.

    python examples/python/router_loop.py

There is no network and no clock here. What a real router would replace is marked.
"""

import kthena
import numpy as np

MS = 1_000_000

# No KV events here: prompts are expected where they were sent.
fleet = kthena.Fleet(max_expected_blocks=4096)
fleet.add_endpoints(["pod-a", "pod-b", "pod-c"], now_ns=0)
policy = kthena.Policy("cost")

now = 1000 * MS  # a real one reads time.monotonic_ns()
for turn in range(2):
    tickets = []
    for user in range(3):
        tokens = np.full(2048 * (turn + 1), 100 + user, dtype=np.uint32)  # the tokenizer's work
        decision, ticket = fleet.decide(
            policy, tokens, id=f"{turn}-{user}", model="qwen-7b", output_tokens=200, sequence=user, now_ns=now
        )
        if ticket is None or decision.endpoint is None:
            raise SystemExit(decision.reason.name.lower())  # a real one answers 503, or waits
        tickets.append(ticket)
        # Nothing else is without a first token now, so the sums of the endpoint are those of this request.
        compute = fleet.signal(decision.endpoint, "uncached_tokens")
        prompt = fleet.signal(decision.endpoint, "prefill_tokens")
        print(f"turn {turn} of user {user} to compute: {compute:.0f} of {prompt:.0f}")
        # ... the request goes to decision.endpoint, the answer streams back; where that fails: finish(failed=True), and
        # book(...) the next of decision.failover ...
        now += 100 * MS
        fleet.first_token(ticket, now_ns=now)
    while tickets:
        now += 10 * MS
        fleet.finish(tickets.pop(), 150, now_ns=now)
    for endpoint in filter(None, fleet.ids):  # a scrape: only what the engine says of itself
        fleet.sample(endpoint, running=0, waiting=0, kv_usage=0.1, sampled_ns=now, now_ns=now)
    fleet.expire(now_ns=now)  # every few seconds is enough
counts = fleet.counts()
print(f"{counts.done} done, {counts.in_flight} in flight")
