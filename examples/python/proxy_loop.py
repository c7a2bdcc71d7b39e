"""How a server uses kthena: many tasks decide on one pool while a scraper refreshes it.

    python examples/python/proxy_loop.py

There is no network here: engines are queues that answer after a while. What a real server would replace is marked.
"""

import asyncio
import random
import time

import kthena
import numpy as np

ENGINES = [f"engine-{i}" for i in range(4)]
SCRAPE_EVERY_S = 0.02


class Engine:
    """Stands in for a server: it takes longer the more it has to do."""

    def __init__(self) -> None:
        self.running = 0

    async def answer(self) -> None:
        self.running += 1
        await asyncio.sleep(0.002 * self.running)
        self.running -= 1


async def main() -> None:
    engines = {name: Engine() for name in ENGINES}
    pool = kthena.Pool(ENGINES)
    policy = kthena.Policy("kthena-default")
    in_flight = dict.fromkeys(ENGINES, 0)  # this router's own count
    pool.update(in_flight=np.zeros(len(ENGINES)), sampled_ns=time.monotonic_ns())
    seed = random.getrandbits(64)
    counts = dict.fromkeys(ENGINES, 0)

    async def scrape() -> None:  # a real one reads /metrics of each engine
        while True:
            running = np.array([float(engine.running) for engine in engines.values()])
            waiting = np.zeros(len(ENGINES))
            pool.update(running=running, waiting=waiting, sampled_ns=time.monotonic_ns())
            await asyncio.sleep(SCRAPE_EVERY_S)

    def book(name: str, change: int) -> None:
        in_flight[name] += change
        pool.set("in_flight", name, in_flight[name], sampled_ns=time.monotonic_ns())

    async def serve(number: int) -> None:
        now = time.monotonic_ns()
        decision = policy.decide(pool, id=f"request-{number}", sequence=number, now_ns=now, seed=seed)
        if decision.index is None:
            print(f"request-{number}: {decision.reason.name.lower()}")  # a real one answers 503, or waits
            return
        name = decision.ranked[0]
        book(name, 1)
        counts[name] += 1
        await engines[name].answer()  # a real one sends it there, and on failure to those in `failover`
        book(name, -1)

    scraper = asyncio.create_task(scrape())
    await asyncio.gather(*(serve(number) for number in range(200)))
    scraper.cancel()
    print(f"requests by engine: {counts}")
    assert max(counts.values()) < 2 * min(counts.values()), (
        "a burst is spread, because in_flight is the router's own count"
    )


asyncio.run(main())
