"""The cases of tests/vectors/prefix, step by step (see the README there)."""

from __future__ import annotations

import json
from typing import Any

import kthena
import numpy as np
import pytest
import vectors

CASES: list[dict[str, Any]] = [
    case | {"file": path.name}
    for path in sorted((vectors.ROOT / "tests" / "vectors" / "prefix").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]
]
SPACE = ("model", "adapter", "tenant")
NOT_IN_USE = 4711


def test_there_are_enough() -> None:
    assert len(CASES) >= 60


class Run:
    def __init__(self, case: dict[str, Any]) -> None:
        self.index = kthena.PrefixIndex(**({"block_tokens": 1, "seed": 5} | case.get("options", {})))
        self.numbers: dict[str, int] = {}
        self.in_use: set[str] = set()

    def number(self, step: dict[str, Any]) -> int:
        return self.numbers.get(step["worker"], NOT_IN_USE)

    def query(self, step: dict[str, Any]) -> kthena.PrefixQuery:
        return self.index.query(**{name: step[name] for name in SPACE if name in step}).extend(step["tokens"])

    def mask(self, step: dict[str, Any]) -> Any:
        if "among" not in step:
            return None
        mask = np.zeros(self.index.worker_limit, dtype=np.bool_)
        mask[[self.numbers[name] for name in step["among"]]] = True
        return mask

    def by_name(self, depths: Any) -> dict[str, Any]:
        return {name: depths[self.numbers[name]].tolist() for name in self.in_use}

    def tier(self, step: dict[str, Any]) -> Any:
        names = {"device": 0, "host": 1, "disk": 2, "external": 3}
        return names.get(step.get("tier", "device"), 9)

    def take(self, step: dict[str, Any]) -> Any:
        index, what = self.index, step["do"]
        if what == "add_worker":
            self.numbers[step["worker"]] = index.add_worker(step["worker"])
            self.in_use.add(step["worker"])
        elif what == "remove_worker":
            index.remove_worker(self.number(step))
            self.in_use.remove(step["worker"])
        elif what == "sweep":
            while index.sweep(7):
                pass
        elif what == "store":
            space = {name: step[name] for name in SPACE if name in step}
            index.store(
                self.number(step),
                engine_hashes=step["names"],
                tokens=step.get("tokens"),
                parent=step.get("parent"),
                tier=self.tier(step),
                **space,
            )
        elif what == "remove":
            index.remove(self.number(step), engine_hashes=step["names"], tier=self.tier(step))
        elif what == "clear":
            index.clear(self.number(step))
        elif what == "expect":
            index.expect(self.number(step), self.query(step), now_ns=step["now_ns"])
        elif what == "expire":
            return index.expire(now_ns=step["now_ns"], max_blocks=step.get("max_blocks", 2**63))
        elif what == "find":
            query = self.query(step)
            depths = index.find(query, candidates=self.mask(step))
            assert index.find_batch([query], candidates=self.mask(step)).tolist() == [depths.tolist()]
            if "among" not in step:
                workers = np.array([*self.numbers.values(), kthena.NO_WORKER], np.uint32)
                chosen = index.find(query, workers=workers).tolist()
                assert chosen == [int(depths[w]) if w < len(depths) else 0 for w in workers]
            return self.by_name(depths)
        elif what == "find_tiers":
            return self.by_name(index.find_tiers(self.query(step)).T)
        elif what == "find_best":
            loads = np.zeros(index.worker_limit, np.uint32)
            for name, load in step["loads"].items():
                loads[self.numbers[name]] = load
            rule = {name: step[name] for name in ("block_cost", "tie_seed") if name in step}
            pick = index.find_best(self.query(step), loads, candidates=self.mask(step), **rule)
            if pick is None:
                return None
            return {"worker": index.worker_name(pick.worker), "depth": pick.depth, "cost": pick.cost}
        elif what == "stats":
            stats = index.stats()._asdict()
            return {name: stats[name] for name in step["of"]}
        else:
            raise AssertionError(f"no step {what}")
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['file']}: {case['name']}")
def test_prefix(case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(ValueError) as fault:
            Run(case)
        assert str(fault.value).startswith(case["refused"]["field"])
        return
    run = Run(case)
    for i, step in enumerate(case["steps"]):
        if "refused" in step:
            with pytest.raises(kthena.KthenaError) as refused:
                run.take(step)
            assert refused.value.code.name.lower() == step["refused"]["status"], i
            assert str(refused.value).startswith(step["refused"]["field"] + ": "), i
        else:
            assert run.take(step) == step.get("expect"), (i, step)
