from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import kthena
import numpy as np
import pytest


@pytest.mark.parametrize("endpoints", [16, 1000])
def test_deciding_while_another_thread_updates(endpoints: int) -> None:
    """Decisions see a whole column: all loads of a column are equal, so the hash decides in each of them alike."""
    pool = kthena.Pool([f"pod-{i:04}" for i in range(endpoints)])
    policy = kthena.Policy("kthena-2025-09/least-request")
    zeros = np.zeros(endpoints)
    pool.update(running=zeros, waiting=zeros, sampled_ns=0)
    expected = policy.decide(pool, id="x").endpoint
    stop = threading.Event()

    def update() -> None:
        load = 0.0
        while not stop.is_set():
            load = (load + 1) % 7
            pool.update(running=np.full(endpoints, load), sampled_ns=1)

    def decide() -> set[str | None]:
        return {policy.decide(pool, id="x").endpoint for _ in range(2000)}

    with ThreadPoolExecutor(4) as threads:
        writer = threads.submit(update)
        readers = [threads.submit(decide) for _ in range(3)]
        try:
            assert [reader.result() for reader in readers] == [{expected}] * 3
        finally:
            stop.set()
        writer.result()


def test_looking_up_while_another_thread_stores() -> None:
    index = kthena.PrefixIndex(block_tokens=1, seed=1)
    blocks = 500
    worker = index.add_worker("w")
    tokens = np.arange(blocks, dtype=np.uint32)
    names = np.arange(1, blocks + 1, dtype=np.uint64)
    query = index.query().extend(tokens)
    stop = threading.Event()

    def store() -> None:
        while not stop.is_set():
            index.store(worker, tokens=tokens, engine_hashes=names)
            index.clear(worker)

    def find() -> set[int]:
        return {int(index.find(query)[0]) for _ in range(500)}

    with ThreadPoolExecutor(3) as threads:
        writer = threads.submit(store)
        readers = [threads.submit(find) for _ in range(2)]
        try:
            assert all(reader.result() <= {0, blocks} for reader in readers)
        finally:
            stop.set()
        writer.result()


def test_threads_that_end_leave_nothing_behind() -> None:
    pool, policy = kthena.Pool(["a", "b"]), kthena.Policy("random")
    for _ in range(200):
        thread = threading.Thread(target=lambda: policy.decide(pool, id="x"))
        thread.start()
        thread.join()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="pybind11 modules need 3.12 for subinterpreters")
def test_in_a_subinterpreter() -> None:
    program = """
import sys
if sys.version_info >= (3, 14):
    from concurrent import interpreters
    create = interpreters.create
    run = lambda interpreter, text: interpreter.exec(text)
elif sys.version_info >= (3, 13):
    import _interpreters
    create = _interpreters.create
    def run(interpreter, text):
        failure = _interpreters.run_string(interpreter, text)
        assert failure is None, failure
else:
    import _xxsubinterpreters
    create, run = _xxsubinterpreters.create, _xxsubinterpreters.run_string
text = '''
from kthena import _core
assert _core.random_u64(1, 2, 3) > 0
'''
for _ in range(2):
    run(create(), text)
print("fine")
"""
    # numpy itself refuses subinterpreters, and kthena/__init__.py needs it: only the extension module can be asked.
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    if "numpy" in result.stderr:
        pytest.skip("this numpy cannot be used in a subinterpreter")
    assert result.stdout == "fine\n", result.stderr
