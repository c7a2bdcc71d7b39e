"""`kthena replay`: one workload on a simulated fleet under several policies, compared."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from kthena.cli import terminal
from kthena.cli.faults import Faults, Refused, split_message
from kthena.cli.files import Outputs, read_bytes
from kthena.cli.policies import NamedPolicy, read_policies
from kthena.cli.progress import Progress
from kthena.cli.replay_html import render_html
from kthena.cli.replay_text import render_csv, render_json, render_table
from kthena.cli.results import PREFIX_SOURCES, Setup, compare
from kthena.errors import KthenaError
from kthena.simulation import Simulation

PUBLISHED_POLICIES = (
    "random,kthena-2025-09/least-request,kthena-2025-09/gpu-usage,kthena-2025-09/least-latency,"
    "kthena-2025-09/least-request+prefix,kthena-2025-09/least-request+kv"
)
GENERATED = ("gsp-long", "gsp-short")


class Defaults(NamedTuple):
    """What an option is where it is not given."""

    replicas: int
    engine: str
    concurrency: int
    poll_interval_s: float


#: As the published benchmark ran (docs/simulator.md).
BENCHMARK = Defaults(replicas=3, engine="qwen2.5-7b@910b-fit", concurrency=300, poll_interval_s=2.7)
#: An open loop at the trace's own times, with Kthena's own poll interval.
TRACE = Defaults(replicas=8, engine="llama3-8b@a100", concurrency=0, poll_interval_s=1.0)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "replay",
        help="compare policies on a simulated fleet",
        description="Replays a workload on a simulated fleet under several policies and compares them.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--workload",
        required=True,
        metavar="W",
        help="gsp-long, gsp-short, or a trace: Mooncake's or Azure's (docs/replay.md)",
    )
    add(
        "--policies",
        default=PUBLISHED_POLICIES,
        metavar="P,P",
        help="presets or JSON files (default: the six published ones)",
    )
    add("--replicas", metavar="N", help="engines in the fleet (default: gsp 3, traces 8)")
    add("--engine-model", metavar="M", help=f"engine model (default: gsp {BENCHMARK.engine}, traces {TRACE.engine})")
    add("--concurrency", metavar="C", help="closed loop: requests in flight at most (default for gsp: 300)")
    add("--speed", metavar="X", help="open loop: the trace's times divided by X (default for traces: 1)")
    add("--runs", default="1", metavar="K", help="times that the same requests are sent, with warm caches (default: 1)")
    add("--seed", default="1", metavar="S", help="of generated workloads, ties and random choices (default: 1)")
    add("--poll-interval", metavar="S", help="seconds between readings of engine metrics (default: gsp 2.7, traces 1)")
    add(
        "--spread-tick",
        metavar="S",
        help="spread a trace's arrivals over ticks of S seconds; Mooncake's are 3 (default: 0, not)",
    )
    add(
        "--prefix-source",
        metavar="P",
        default="kthena",
        help="who tells prefix scorers what engines hold: kthena, its two stores (default), or exact, an index of KV events",
    )
    add("--limit", metavar="REQUESTS", help="only the first requests of the workload")
    add("--json", metavar="F", help="write the results as JSON; - is standard output, also below")
    add("--csv", metavar="F", help="write a row per request")
    add("--html", metavar="F", help="write a report that needs nothing else")
    parser.set_defaults(run=run)


class Job(NamedTuple):
    policy: NamedPolicy
    simulation: Simulation


def run(options: argparse.Namespace) -> None:
    faults = Faults()
    policies = read_policies(options.policies, faults)
    scenario = _read_scenario(options, faults)
    trace = _read_trace(options.workload, faults)
    with Outputs({"--json": options.json, "--csv": options.csv, "--html": options.html}, faults) as outputs:
        faults.raise_if_any()
        jobs = _make_jobs(options.workload, scenario, policies, trace, faults)
        faults.raise_if_any()
        finished = _run_jobs(jobs)
        reports = [(name, simulation.report()) for name, simulation in finished]
        setup = _describe(options, scenario, reports[0][1], any(policy.reads_prefixes for policy in policies))
        bases = [i for i, policy in enumerate(policies) if policy.is_preset and policy.name == "random"]
        results = compare(reports, bases[0] if bases else None)
        renders: dict[str | None, Callable[[], str]] = {
            "--json": lambda: render_json(setup, results),
            "--csv": lambda: render_csv([(name, simulation.requests_csv()) for name, simulation in finished]),
            "--html": lambda: render_html(setup, results),
        }
        for option, render in renders.items():
            if option is not None and outputs.wants(option):
                outputs.set(option, render())
        shown = renders.get(outputs.stdout, lambda: render_table(setup, results))
        terminal.write(shown().removesuffix("\n"))


def _read_trace(workload: str, faults: Faults) -> bytes:
    """The text of a trace; empty for a generated workload and where there is a fault."""
    if workload in GENERATED:
        return b""
    trace = read_bytes(workload, faults)
    if trace is not None and not trace.strip():
        faults.add(f"{workload}: is empty, a trace was expected")
    return trace or b""


def _read_scenario(options: argparse.Namespace, faults: Faults) -> dict[str, Any]:
    defaults = BENCHMARK if options.workload in GENERATED else TRACE
    if options.concurrency is not None and options.speed is not None:
        faults.add("--concurrency, --speed: a closed loop has no speed; give one of them")
    replicas = faults.integer("--replicas", options.replicas, 1, 4096)
    concurrency = faults.integer("--concurrency", options.concurrency, 1, 2**32 - 1)
    speed = faults.number("--speed", options.speed, 0.01, 1e6)
    poll = faults.number("--poll-interval", options.poll_interval, 0.001, 3600)
    limit = faults.integer("--limit", options.limit, 1, 2**63 - 1)
    spread = faults.number("--spread-tick", options.spread_tick, 0, 3600)
    if spread is not None and options.workload in GENERATED:
        faults.add(f"--spread-tick: {options.workload} is no trace")
    if options.prefix_source not in PREFIX_SOURCES:
        faults.add(f"--prefix-source: {options.prefix_source!r} is none of {', '.join(PREFIX_SOURCES)}")
    if concurrency is None:
        concurrency = 0 if speed is not None else defaults.concurrency
    trace = {"name": _shown(os.path.basename(options.workload)), "spread_tick_s": spread or 0.0}
    scenario: dict[str, Any] = {
        "workload": options.workload if options.workload in GENERATED else {"trace": trace},
        "replicas": defaults.replicas if replicas is None else replicas,
        "engine": options.engine_model or defaults.engine,
        "client": {"concurrency": concurrency} if concurrency else {"concurrency": 0, "speed": speed or 1.0},
        "poll_interval_s": defaults.poll_interval_s if poll is None else poll,
        "prefix_source": options.prefix_source,
        "runs": faults.integer("--runs", options.runs, 1, 1000),
        "seed": faults.integer("--seed", options.seed, 0, 2**64 - 1),
    }
    if limit is not None:
        scenario["request_limit"] = limit
    return scenario


def _shown(name: str) -> str:
    """The name of a file as text, whatever its bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _exact(value: float) -> str:
    return repr(value).removesuffix(".0")


def _make_jobs(
    workload: str, scenario: dict[str, Any], policies: list[NamedPolicy], trace: bytes, faults: Faults
) -> list[Job]:
    jobs = []
    for policy in policies:
        document = json.dumps({**scenario, "policy": json.loads(policy.text)})
        try:
            jobs.append(Job(policy, Simulation(document, trace)))
        except KthenaError as error:
            for fault in split_message(error.message):
                faults.add(_at_the_option(workload, fault))
    return jobs


def _at_the_option(workload: str, fault: str) -> str:
    """Says where a fault of a scenario comes from: the trace, or an option of the command line."""
    member = re.split(r"[.:\[]", fault, maxsplit=1)[0]
    option = {"engine": "--engine-model"}.get(member)
    return f"{workload if option is None else option}: {fault}"


def _run_jobs(jobs: list[Job]) -> list[tuple[str, Simulation]]:
    """All simulations to the end, at most one per processor at a time."""
    total = sum(job.simulation.progress()[1] for job in jobs)
    progress = Progress(total, "requests")
    stop = threading.Event()

    def work(simulation: Simulation) -> None:
        while not stop.is_set() and not simulation.advance(Simulation.EVENTS_PER_STEP):
            pass

    pool = ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, len(jobs)))
    try:
        futures: dict[Future[None], str] = {pool.submit(work, job.simulation): job.policy.name for job in jobs}
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=0.1, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            ended = sum(job.simulation.progress()[0] for job in jobs)
            running = [name for future, name in futures.items() if future.running()]
            progress.update(ended, terminal.printable(", ".join(running)))
    except KthenaError as error:
        raise Refused([str(error)], exit_code=1) from None
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        progress.close()
    return [(job.policy.name, job.simulation) for job in jobs]


def _describe(
    options: argparse.Namespace, scenario: dict[str, Any], report: dict[str, Any], reads_prefixes: bool
) -> Setup:
    is_trace = options.workload not in GENERATED
    spread = scenario["workload"]["trace"]["spread_tick_s"] if is_trace else 0.0
    concurrency, speed = scenario["client"]["concurrency"], scenario["client"].get("speed", 1.0)
    poll = scenario["poll_interval_s"]
    command = ["kthena", "replay", "--workload", options.workload, "--policies", options.policies]
    command += ["--replicas", str(scenario["replicas"]), "--engine-model", scenario["engine"]]
    command += ["--concurrency", str(concurrency)] if concurrency else ["--speed", _exact(speed)]
    command += ["--runs", str(scenario["runs"]), "--seed", str(scenario["seed"]), "--poll-interval", _exact(poll)]
    if spread:
        command += ["--spread-tick", _exact(spread)]
    command += ["--prefix-source", scenario["prefix_source"]]
    if "request_limit" in scenario:
        command += ["--limit", str(scenario["request_limit"])]
    return Setup(
        workload=_shown(os.path.basename(options.workload)),
        is_trace=is_trace,
        requests=report["requests"],
        replicas=scenario["replicas"],
        engine=report["engine"],
        engine_constants=report["engine_model"],
        concurrency=concurrency,
        speed=speed,
        runs=scenario["runs"],
        seed=scenario["seed"],
        poll_interval_s=poll,
        spread_tick_s=spread,
        prefix_source=scenario["prefix_source"],
        reads_prefixes=reads_prefixes,
        command=_shown(shlex.join(command)),
    )
