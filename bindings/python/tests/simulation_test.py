from __future__ import annotations

import json
import threading
from typing import Any

import kthena
import pytest

SCENARIO: dict[str, Any] = {"workload": "gsp-short", "policy": "random", "request_limit": 20, "runs": 2}


def test_to_the_end() -> None:
    seen: list[tuple[int, int]] = []
    simulation = kthena.Simulation(SCENARIO).run(lambda ended, total: seen.append((ended, total)))
    assert seen[-1] == (40, 40) == simulation.progress()
    report = simulation.report()
    assert report["total"]["requests"] == 40 and len(report["runs"]) == 2
    lines = simulation.requests_csv().splitlines()
    assert len(lines) == 41 and lines[0].startswith("run,request,endpoint")
    assert simulation.advance(10) is True


def test_however_events_are_cut_up() -> None:
    whole = kthena.Simulation(json.dumps(SCENARIO)).run()
    cut = kthena.Simulation(SCENARIO)
    while not cut.advance(7):
        pass
    assert cut.report_json() == whole.report_json()
    assert cut.requests_csv() == whole.requests_csv()


def test_nothing_before_the_end() -> None:
    simulation = kthena.Simulation(SCENARIO)
    assert simulation.progress() == (0, 40)
    for call in (simulation.report, simulation.report_json, simulation.requests_csv):
        with pytest.raises(kthena.FailedPreconditionError):
            call()


def test_traces() -> None:
    trace = "timestamp_ms,input_tokens,output_tokens,block_ids_512\n0,600,5,0-1\n5,700,5,0 2\n"
    scenario = {"workload": {"trace": {}}, "policy": "round-robin"}
    for text in (trace, trace.encode()):
        assert kthena.Simulation(scenario, text).run().report()["total"]["requests"] == 2
    with pytest.raises(ValueError, match="line 3"):
        kthena.Simulation(scenario, trace[:-5])
    with pytest.raises(ValueError, match="trace"):
        kthena.Simulation(scenario)
    with pytest.raises(TypeError):
        kthena.Simulation(scenario, 5)  # type: ignore[arg-type]


def test_all_faults_of_a_scenario() -> None:
    with pytest.raises(kthena.InvalidArgumentError) as refused:
        kthena.Simulation({"workload": "gsp-middle", "policy": "best", "runs": 0, "colour": 1})
    for place in ("workload", "policy", "runs", "colour"):
        assert place in str(refused.value)
    with pytest.raises(ValueError):
        kthena.Simulation("{")
    with pytest.raises(TypeError):
        kthena.Simulation(SCENARIO).advance(-1)


def test_side_by_side() -> None:
    alone = kthena.Simulation(SCENARIO).run().report_json()
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(kthena.Simulation(SCENARIO).run().report_json()))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [alone] * 4


def test_other_threads_run_meanwhile() -> None:
    simulation = kthena.Simulation({"workload": "gsp-long", "policy": "random", "runs": 3})
    thread = threading.Thread(target=simulation.advance, args=(2**63,))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
        thread.join(0.001)
    assert turns > 3


def test_one_simulation_in_several_threads_is_safe() -> None:
    simulation = kthena.Simulation(SCENARIO)

    def work() -> None:
        while not simulation.advance(100):
            simulation.progress()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert simulation.report_json() == kthena.Simulation(SCENARIO).run().report_json()
