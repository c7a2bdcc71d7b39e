#!/usr/bin/env python3
"""An independent model of the prefix index, from which the expectations in tests/vectors/prefix come.

It is written from the rules of docs/prefix-index.md, in plain Python: for each worker a dict from the engine's name of a block to all
tokens up to the end of that block, and depths counted over sets of those. No hashes, no tree, nothing shared with the library.

  tools/prefix_oracle.py --check [FILE...]   exit 1 unless every file is what --write would leave (the default)
  tools/prefix_oracle.py --write [FILE...]   fill in "expect" of every step and lay the file out

A step may carry "truth": what is known without this model, worked out by hand or published. It is never written here: a step whose
truth differs from the model fails both commands.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors" / "prefix"
MASK = (1 << 64) - 1
TIERS = ("device", "host", "disk", "external")

Json = Any


class Place(NamedTuple):
    """Where a block is: its namespace and the blocks of tokens up to its end."""

    space: tuple[str, str, str]
    blocks: tuple[tuple[int, ...], ...]


@dataclass
class Block:
    """What a worker means by a name. Without a path it waits for its parent."""

    path: Place | None
    parent: int | None
    content: tuple[int, ...]
    space: tuple[str, str, str]
    copies: dict[int, int] = field(default_factory=dict)  # by tier


@dataclass
class Guess:
    turn: int
    time: int


@dataclass
class Worker:
    number: int
    names: dict[int, Block] = field(default_factory=dict)
    guesses: dict[Place, Guess] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, status: str, fault: str) -> None:
        super().__init__(status, fault)
        self.status, self.fault = status, fault


DEFAULTS = {
    "block_tokens": 1,
    "max_workers": 1024,
    "max_orphan_blocks": 65536,
    "max_expected_blocks": 0,
    "expected_ttl_ns": 0,
    "shared_engine_hashes": False,
    "count_copies": False,
    "wide_contents": False,
}
LIMITS = {
    "block_tokens": (1, 65536),
    "max_workers": (1, 16384),
    "max_orphan_blocks": (0, 2**32 - 1),
    "max_expected_blocks": (0, 2**32 - 1),
    "expected_ttl_ns": (0, 2**63 - 1),
}


def mix64(x: int) -> int:
    """Finaliser of SplitMix64, variant 13."""
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def space_of(step: Json) -> tuple[str, str, str]:
    return step.get("model", ""), step.get("adapter", ""), step.get("tenant", "")


class Index:
    def __init__(self, options: Json) -> None:
        self.options = DEFAULTS | options
        for name, (least, most) in LIMITS.items():
            if not least <= self.options[name] <= most:
                raise Refused("invalid_argument", name)
        self.workers: dict[str, Worker] = {}
        self.waiting: list[tuple[Worker, int]] = []  # the oldest first
        self.removed = 0
        self.turn = 0
        self.now = -(2**63)
        self.counts = dict.fromkeys(
            (
                "orphans_dropped",
                "unknown_removes",
                "rehashed_blocks",
                "unresolved_stores",
                "promoted_blocks",
                "expired_blocks",
                "evicted_blocks",
                "sweeps",
            ),
            0,
        )

    # ---- questions

    def cut(self, step: Json) -> list[Place]:
        """The full blocks of a prompt, each with all before it."""
        size = self.options["block_tokens"]
        tokens = step["tokens"]
        blocks = [tuple(tokens[i : i + size]) for i in range(0, len(tokens) - size + 1, size)]
        return [Place(space_of(step), tuple(blocks[: i + 1])) for i in range(len(blocks))]

    def held(self, worker: Worker, slowest: int) -> set[Place]:
        return set(worker.guesses) | {
            block.path
            for block in worker.names.values()
            if block.path is not None and any(tier <= slowest for tier in block.copies)
        }

    def depth(self, worker: Worker, step: Json, slowest: int = len(TIERS) - 1) -> int:
        held = self.held(worker, slowest)
        depth = 0
        for path in self.cut(step):
            if path not in held:
                break
            depth += 1
        return depth

    def find(self, step: Json) -> Json:
        among = step.get("among", list(self.workers))
        return {name: self.depth(worker, step) if name in among else 0 for name, worker in sorted(self.workers.items())}

    def find_tiers(self, step: Json) -> Json:
        return {
            name: [self.depth(worker, step, tier) for tier in range(len(TIERS))]
            for name, worker in sorted(self.workers.items())
        }

    def find_best(self, step: Json) -> Json:
        among = step.get("among", list(self.workers))
        total = len(self.cut(step))
        best = None
        for name, worker in self.workers.items():
            if name not in among:
                continue
            depth = self.depth(worker, step)
            cost = step["loads"][name] + step.get("block_cost", 1) * (total - depth)
            key = (cost, mix64(step.get("tie_seed", 0) ^ worker.number))
            if best is None or key < best[0]:
                best = (key, {"worker": name, "depth": depth, "cost": cost})
        return None if best is None else best[1]

    def stats(self, step: Json) -> Json:
        held = [self.held(worker, len(TIERS) - 1) for worker in self.workers.values()]
        counts = self.counts | {
            "workers": len(self.workers),
            "memberships": sum(map(len, held)),
            "unique_blocks": len(set().union(*held)),
            "orphan_blocks": len(self.waiting),
            "expected_blocks": sum(len(worker.guesses) for worker in self.workers.values()),
            "copied_blocks": sum(
                count - 1
                for worker in self.workers.values()
                for block in worker.names.values()
                for count in block.copies.values()
            ),
        }
        if self.removed == 0:
            counts["unswept_blocks"] = 0
        return {name: counts[name] for name in step["of"]}

    # ---- changes

    def worker(self, step: Json) -> Worker:
        if step["worker"] not in self.workers:
            raise Refused("not_found", "worker")
        return self.workers[step["worker"]]

    def tier(self, step: Json) -> int:
        name = step.get("tier", "device")
        if name not in TIERS:
            raise Refused("invalid_argument", "tier")
        return TIERS.index(name)

    def add_worker(self, step: Json) -> None:
        name = step["worker"]
        if name in self.workers:
            return
        if name == "":
            raise Refused("invalid_argument", "name")
        if len(self.workers) == self.options["max_workers"]:
            raise Refused("resource_exhausted", "name")
        used = {worker.number for worker in self.workers.values()}
        self.workers[name] = Worker(next(i for i in range(len(used) + 1) if i not in used))

    def remove_worker(self, step: Json) -> None:
        worker = self.worker(step)
        self.waiting = [one for one in self.waiting if one[0] is not worker]
        del self.workers[step["worker"]]
        self.removed += 1

    def sweep(self, _: Json) -> None:
        self.counts["sweeps"] += self.removed
        self.removed = 0

    def place(self, worker: Worker, name: int, path: Place) -> None:
        """The block has its place; those that wait for it have theirs."""
        worker.names[name].path = path
        if worker.guesses.pop(path, None) is not None:
            self.counts["promoted_blocks"] += 1
        for one in [one for one in self.waiting if one[0] is worker]:
            block = worker.names[one[1]]
            if block.path is None and block.parent == name and block.space == path.space and one in self.waiting:
                self.waiting.remove(one)
                self.place(worker, one[1], Place(path.space, (*path.blocks, block.content)))

    def forget(self, worker: Worker, name: int) -> None:
        del worker.names[name]
        self.waiting = [one for one in self.waiting if one != (worker, name)]

    def store_block(
        self,
        worker: Worker,
        name: int,
        parent: int | None,
        content: tuple[int, ...],
        space: tuple[str, str, str],
        tier: int,
    ) -> None:
        before = worker.names.get(parent) if parent is not None else None
        path = None
        if parent is None:
            path = Place(space, (content,))
        elif before is not None and before.path is not None and before.path.space == space:
            path = Place(space, (*before.path.blocks, content))
        block = worker.names.get(name)
        if block is not None:
            same = (block.parent, block.content, block.space) == (parent, content, space)
            if block.path is not None and path is not None:
                same = block.path == path
            if not same:
                self.counts["rehashed_blocks"] += 1
                self.forget(worker, name)
                block = None
        if block is None:
            block = worker.names[name] = Block(None, parent, content, space)
            block.copies[tier] = 1
            if path is None:
                self.waiting.append((worker, name))
                if len(self.waiting) > self.options["max_orphan_blocks"]:
                    self.forget(*self.waiting[0])
                    self.counts["orphans_dropped"] += 1
            else:
                self.place(worker, name, path)
        else:
            more = 1 if self.options["count_copies"] else 0
            block.copies[tier] = block.copies[tier] + more if tier in block.copies else 1

    def store(self, step: Json) -> None:
        worker, tier = self.worker(step), self.tier(step)
        if "tokens" not in step:
            for name in step["names"]:
                self.store_known(worker, name, tier)
            return
        parent = step.get("parent")
        contents = [path.blocks[-1] for path in self.cut(step)]
        assert len(contents) == len(step["names"]), step
        for name, content in zip(step["names"], contents, strict=True):
            self.store_block(worker, name, parent, content, space_of(step), tier)
            parent = name

    def store_known(self, worker: Worker, name: int, tier: int) -> None:
        """A store that names no tokens."""
        if name in worker.names:
            worker.names[name].copies.setdefault(tier, 1)
            return
        others = [one.names[name] for one in self.workers.values() if name in one.names]
        known = [block for block in others if block.path is not None]
        if not self.options["shared_engine_hashes"] or not known:
            self.counts["unresolved_stores"] += 1
            return
        block = known[0]
        assert block.path is not None
        worker.names[name] = Block(None, block.parent, block.content, block.space, {tier: 1})
        self.place(worker, name, block.path)

    def remove(self, step: Json) -> None:
        worker, tier = self.worker(step), self.tier(step)
        for name in step["names"]:
            block = worker.names.get(name)
            if block is None or tier not in block.copies:
                self.counts["unknown_removes"] += 1
                continue
            block.copies[tier] -= 1
            if block.copies[tier] == 0:
                del block.copies[tier]
            if not block.copies:
                self.forget(worker, name)

    def clear(self, step: Json) -> None:
        worker = self.worker(step)
        worker.names.clear()
        worker.guesses.clear()
        self.waiting = [one for one in self.waiting if one[0] is not worker]

    def oldest(self, worker: Worker) -> Place:
        """Expected longest ago; of one prompt the tail before the head."""
        return min(worker.guesses, key=lambda path: (worker.guesses[path].turn, -len(path.blocks)))

    def expect(self, step: Json) -> None:
        worker = self.worker(step)
        most = self.options["max_expected_blocks"]
        if most == 0:
            raise Refused("failed_precondition", "max_expected_blocks")
        self.now = max(self.now, step["now_ns"])
        self.turn += 1
        told = {block.path for block in worker.names.values()}
        paths = [path for path in self.cut(step) if path not in told]
        for path in self.cut(step):
            if path in told:
                worker.guesses.pop(path, None)
        for path in paths[:most]:
            worker.guesses[path] = Guess(self.turn, self.now)
        while len(worker.guesses) > most:
            del worker.guesses[self.oldest(worker)]
            self.counts["evicted_blocks"] += 1

    def expire(self, step: Json) -> Json:
        self.now = max(self.now, step["now_ns"])
        gone = 0
        for worker in self.workers.values():
            while worker.guesses and gone < step.get("max_blocks", MASK):
                path = self.oldest(worker)
                if self.options["expected_ttl_ns"] == 0 or (
                    worker.guesses[path].time + self.options["expected_ttl_ns"] > self.now
                ):
                    break
                del worker.guesses[path]
                gone += 1
        self.counts["expired_blocks"] += gone
        return gone


CALLS = {
    "add_worker": Index.add_worker,
    "remove_worker": Index.remove_worker,
    "sweep": Index.sweep,
    "store": Index.store,
    "remove": Index.remove,
    "clear": Index.clear,
    "expect": Index.expect,
    "expire": Index.expire,
    "find": Index.find,
    "find_tiers": Index.find_tiers,
    "find_best": Index.find_best,
    "stats": Index.stats,
}
ANSWERS = ("expire", "find", "find_tiers", "find_best", "stats")
MEMBERS = {
    "add_worker": {"worker"},
    "remove_worker": {"worker"},
    "sweep": set(),
    "store": {"worker", "names", "tokens", "parent", "tier", "model", "adapter", "tenant"},
    "remove": {"worker", "names", "tier"},
    "clear": {"worker"},
    "expect": {"worker", "tokens", "now_ns", "model", "adapter", "tenant"},
    "expire": {"now_ns", "max_blocks"},
    "find": {"tokens", "among", "model", "adapter", "tenant"},
    "find_tiers": {"tokens", "model", "adapter", "tenant"},
    "find_best": {"tokens", "loads", "among", "block_cost", "tie_seed", "model", "adapter", "tenant"},
    "stats": {"of"},
}


def complete_case(case: Json, label: str) -> list[str]:
    faults = [
        f"{label}: unknown member {name}"
        for name in case
        if name not in ("name", "source", "options", "refused", "steps")
    ]
    faults += [f"{label}: unknown option {name}" for name in case.get("options", {}) if name not in DEFAULTS]
    case.pop("refused", None)
    try:
        index = Index(case.get("options", {}))
    except Refused as refused:
        case["refused"] = {"status": refused.status, "field": refused.fault}
        if case.pop("steps"):
            faults.append(f"{label}: steps on an index that is refused")
        return faults
    for i, step in enumerate(case["steps"]):
        what = step["do"]
        faults += [
            f"{label}: step {i}: unknown member {name}"
            for name in step
            if name not in {"do", "truth", "expect", "refused"} | MEMBERS[what]
        ]
        for name in ("expect", "refused"):
            step.pop(name, None)
        truth = step.pop("truth", "none")
        try:
            answer = CALLS[what](index, step)
            if what in ANSWERS:
                step["expect"] = answer
            if truth != "none" and truth != answer:
                faults.append(f"{label}: step {i}: the truth is {truth}, the model says {answer}")
        except Refused as refused:
            step["refused"] = {"status": refused.status, "field": refused.fault}
        if truth != "none":
            step["truth"] = truth
    return faults


def spaced(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def layout(document: Json) -> str:
    """One member and one step a line."""
    cases = []
    for case in document["cases"]:
        members = [
            f"      {spaced(name)}: {spaced(case[name])}"
            for name in ("name", "source", "options", "refused")
            if name in case
        ]
        if "steps" in case:
            steps = ",\n".join(f"        {spaced(step)}" for step in case["steps"])
            members.append(f'      "steps": [\n{steps}\n      ]')
        cases.append("    {\n" + ",\n".join(members) + "\n    }")
    return f'{{\n  "source": {spaced(document["source"])},\n  "cases": [\n' + ",\n".join(cases) + "\n  ]\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Expectations of tests/vectors/prefix from an independent model.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare, change nothing (default)")
    mode.add_argument("--write", action="store_true", help="fill in the expectations")
    parser.add_argument("files", nargs="*", type=Path)
    arguments = parser.parse_args()

    files = arguments.files or sorted(VECTORS.glob("*.json"))
    faults: list[str] = []
    names: set[str] = set()
    for path in files:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
        for case in document["cases"]:
            case.setdefault("steps", [])
            label = f"{path.name}: {case['name']}"
            faults += complete_case(case, label)
            if case["name"] in names:
                faults.append(f"{label}: the name is used twice")
            names.add(case["name"])
        expected = layout(document)
        if arguments.write:
            path.write_text(expected, encoding="utf-8")
        elif text != expected:
            at = next((i for i, (a, b) in enumerate(zip(text, expected, strict=False)) if a != b), 0)
            line = expected.count("\n", 0, at) + 1
            faults.append(f"{path.name}: line {line} differs from the model; see it with --write and git diff")
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"prefix_oracle: {len(names)} cases in {len(files)} files, {len(faults)} faults")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
