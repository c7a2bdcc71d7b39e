"""`kthena replay`: one workload on a simulated fleet under several policies, compared."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from kthena.cli import herding, terminal
from kthena.cli.faults import Faults, split_message
from kthena.cli.files import Outputs, read_bytes, read_text
from kthena.cli.jobs import Job, run_jobs
from kthena.cli.policies import NamedPolicy, read_policies
from kthena.cli.replay_html import render_html
from kthena.cli.replay_text import render_csv, render_json, render_table
from kthena.cli.results import PREFIX_SOURCES, Setup, compare
from kthena.errors import KthenaError
from kthena.simulation import Simulation

PUBLISHED_POLICIES = (
    "random,kthena-2025-09/least-request,kthena-2025-09/gpu-usage,kthena-2025-09/least-latency,"
    "kthena-2025-09/least-request+prefix,kthena-2025-09/least-request+kv"
)
#: Generated workloads, and what of them is not the simulator's default.
GENERATED: dict[str, dict[str, int]] = {
    "gsp-long": {},
    "gsp-short": {"system_tokens": 256, "question_tokens": 4096},
}


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
    add(
        "--zipf",
        metavar="S",
        help="generated workloads: group g has (g + 1)^-S of the requests (default: 0, all alike)",
    )
    add("--replicas", metavar="N", help="engines in the fleet (default: gsp 3, traces 8)")
    add("--engine-model", metavar="M", help=f"engine model (default: gsp {BENCHMARK.engine}, traces {TRACE.engine})")
    add("--engines", metavar="FILE", help="engines that are not all alike, as JSON, instead of the two above")
    add("--routers", default="1", metavar="N", help="routers that do not know of each other (default: 1)")
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
        help="who tells routers what engines hold: kthena, its two stores, exact, an index of KV events, fleet, the same with "
        "bookings and homes, or fleet-expected, without KV events (default: kthena where that is all the policies need, else fleet)",
    )
    add(
        "--herding",
        action="store_true",
        help="also each policy with metrics of "
        + ", ".join(f"{age_s:g}" for age_s in herding.METRIC_AGES_S)
        + " s and "
        + ", ".join(map(str, herding.ROUTERS))
        + " routers: 12 times the work",
    )
    add("--limit", metavar="REQUESTS", help="only the first requests of the workload")
    add("--json", metavar="F", help="write the results as JSON; - is standard output, also below")
    add("--csv", metavar="F", help="write a row per request")
    add("--html", metavar="F", help="write a report that needs nothing else")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    faults = Faults()
    policies = read_policies(options.policies, faults)
    scenario = _read_scenario(options, policies, faults)
    trace = _read_trace(options.workload, faults)
    with Outputs({"--json": options.json, "--csv": options.csv, "--html": options.html}, faults) as outputs:
        faults.raise_if_any()
        jobs = _make_jobs(options, scenario, policies, trace, faults)
        faults.raise_if_any()
        more = []
        if options.herding:
            for policy, job in zip(policies, jobs, strict=True):
                more += herding.make_jobs(policy.name, _with_policy(scenario, policy), trace, job.total)
        run_jobs([*jobs, *more])
        points = [job.point() for job in more]
        reports = [(job.label, job.simulation.report()) for job in jobs]
        setup = _describe(options, scenario, reports[0][1], policies)
        bases = [i for i, policy in enumerate(policies) if policy.is_preset and policy.name == "random"]
        results = compare(reports, bases[0] if bases else None)
        renders: dict[str | None, Callable[[], str]] = {
            "--json": lambda: render_json(setup, results, points),
            "--csv": lambda: render_csv([(job.label, job.simulation.requests_csv()) for job in jobs]),
            "--html": lambda: render_html(setup, results, points),
        }
        for option, render in renders.items():
            if option is not None and outputs.wants(option):
                outputs.set(option, render())
        shown = renders.get(outputs.stdout, lambda: render_table(setup, results, points))
        terminal.write(shown().removesuffix("\n"))


def _read_trace(workload: str, faults: Faults) -> bytes:
    """The text of a trace; empty for a generated workload and where there is a fault."""
    if workload in GENERATED:
        return b""
    trace = read_bytes(workload, faults)
    if trace is not None and not trace.strip():
        faults.add(f"{workload}: is empty, a trace was expected")
    return trace or b""


def _read_scenario(options: argparse.Namespace, policies: list[NamedPolicy], faults: Faults) -> dict[str, Any]:
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
    zipf = faults.number("--zipf", options.zipf, 0, 10)
    if zipf is not None and options.workload not in GENERATED:
        faults.add(f"--zipf: {options.workload} is a trace: its groups are as they are")
    if options.prefix_source is not None and options.prefix_source not in PREFIX_SOURCES:
        faults.add(f"--prefix-source: {options.prefix_source!r} is none of {', '.join(PREFIX_SOURCES)}")
    if concurrency is None:
        concurrency = 0 if speed is not None else defaults.concurrency
    trace = {"name": _shown(os.path.basename(options.workload)), "spread_tick_s": spread or 0.0}
    workload: str | dict[str, Any] = options.workload if options.workload in GENERATED else {"trace": trace}
    if zipf and options.workload in GENERATED:
        workload = {"generated_shared_prefix": {**GENERATED[options.workload], "zipf_s": zipf}}
    scenario: dict[str, Any] = {
        "workload": workload,
        "routers": faults.integer("--routers", options.routers, 1, 64),
        "client": {"concurrency": concurrency} if concurrency else {"concurrency": 0, "speed": speed or 1.0},
        "poll_interval_s": defaults.poll_interval_s if poll is None else poll,
        "prefix_source": options.prefix_source or _default_prefix_source(policies),
        "runs": faults.integer("--runs", options.runs, 1, 1000),
        "seed": faults.integer("--seed", options.seed, 0, 2**64 - 1),
    }
    if limit is not None:
        scenario["request_limit"] = limit
    if options.engines is None:
        scenario["replicas"] = defaults.replicas if replicas is None else replicas
        scenario["engine"] = options.engine_model or defaults.engine
    else:
        for option, value in (("--replicas", options.replicas), ("--engine-model", options.engine_model)):
            if value is not None:
                faults.add(f"--engines, {option}: the file names all engines; give one of them")
        scenario["engine_groups"] = _read_engines(options.engines, defaults.engine, faults)
    return scenario


def _default_prefix_source(policies: list[NamedPolicy]) -> str:
    """What Kthena's router has, unless a policy needs more. One source for all: they are compared."""
    return "kthena" if all(policy.is_kthenas for policy in policies) else "fleet"


def _read_engines(path: str, engine: str, faults: Faults) -> Any:
    """`engine_groups` of a scenario (docs/schemas/scenario.schema.json), with `engine` where an entry names none."""
    text = read_text(path, faults)
    if text is None:
        return None
    try:
        groups = json.loads(text, parse_constant=_refuse, object_pairs_hook=_members)
    except json.JSONDecodeError as error:
        faults.add(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}")
        return None
    except (ValueError, RecursionError) as error:
        faults.add(f"{path}: {error}")
        return None
    for group in groups if isinstance(groups, list) else []:
        if isinstance(group, dict):
            _set_default(group, "engine", engine)
            if isinstance(group["engine"], dict):
                _set_default(group["engine"], "base", engine)
    return groups


def _set_default(document: dict[str, Any], name: str, value: str) -> None:
    """null is as good as not given, as everywhere in a scenario."""
    if document.get(name) is None:
        document[name] = value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in pairs:
        if name in document:
            raise ValueError(f'member "{name}" is there twice')
        document[name] = value
    return document


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")


def _shown(name: str) -> str:
    """The name of a file as text, whatever its bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _exact(value: float) -> str:
    return repr(value).removesuffix(".0")


def _make_jobs(
    options: argparse.Namespace,
    scenario: dict[str, Any],
    policies: list[NamedPolicy],
    trace: bytes,
    faults: Faults,
) -> list[Job]:
    jobs = []
    for policy in policies:
        try:
            jobs.append(Job(policy.name, Simulation(_with_policy(scenario, policy), trace)))
        except KthenaError as error:
            for fault in split_message(error.message):
                faults.add(_at_the_option(options, fault))
    return jobs


def _with_policy(scenario: dict[str, Any], policy: NamedPolicy) -> dict[str, Any]:
    return {**scenario, "policy": json.loads(policy.text)}


def _at_the_option(options: argparse.Namespace, fault: str) -> str:
    """Says where a fault of a scenario comes from: the trace, a file with engines, or an option of the command line."""
    member = re.split(r"[.:\[]", fault, maxsplit=1)[0]
    engines = "--engine-model" if options.engines is None else options.engines
    place = engines if member in ("engine", "engine_groups") else options.workload
    return f"{place}: {fault}"


def _describe(
    options: argparse.Namespace, scenario: dict[str, Any], report: dict[str, Any], policies: list[NamedPolicy]
) -> Setup:
    is_trace = options.workload not in GENERATED
    spread = scenario["workload"]["trace"]["spread_tick_s"] if is_trace else 0.0
    concurrency, speed = scenario["client"]["concurrency"], scenario["client"].get("speed", 1.0)
    poll, source, routers = scenario["poll_interval_s"], scenario["prefix_source"], scenario["routers"]
    zipf = 0.0 if is_trace or options.zipf is None else float(options.zipf)
    command = ["kthena", "replay", "--workload", options.workload, "--policies", options.policies]
    if zipf:
        command += ["--zipf", _exact(zipf)]
    if options.engines is None:
        command += ["--replicas", str(scenario["replicas"]), "--engine-model", scenario["engine"]]
    else:
        command += ["--engines", options.engines]
    if routers != 1:
        command += ["--routers", str(routers)]
    command += ["--concurrency", str(concurrency)] if concurrency else ["--speed", _exact(speed)]
    command += ["--runs", str(scenario["runs"]), "--seed", str(scenario["seed"]), "--poll-interval", _exact(poll)]
    if spread:
        command += ["--spread-tick", _exact(spread)]
    command += ["--prefix-source", source]
    if "request_limit" in scenario:
        command += ["--limit", str(scenario["request_limit"])]
    if options.herding:
        command.append("--herding")
    return Setup(
        workload=_shown(os.path.basename(options.workload)),
        is_trace=is_trace,
        requests=report["requests"],
        replicas=report["replicas"],
        engine=report["engine"],
        engine_constants=report["engine_model"],
        concurrency=concurrency,
        speed=speed,
        runs=scenario["runs"],
        seed=scenario["seed"],
        poll_interval_s=poll,
        spread_tick_s=spread,
        prefix_source=source,
        reads_prefixes=source.startswith("fleet") or any(policy.reads_prefixes for policy in policies),
        command=_shown(shlex.join(command)),
        routers=routers,
        zipf_s=zipf,
        engine_groups=tuple(report.get("engine_groups", ())),
        needs_fleet=tuple(policy.name for policy in policies if not policy.is_kthenas)
        if options.prefix_source is None
        else (),
    )
