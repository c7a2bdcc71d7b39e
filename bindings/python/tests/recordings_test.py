"""What real vLLM engines said (tools/record_vllm.py), through the Python interface: depths are the hits that the engines counted.

The environment variable KTHENA_RECORDINGS names another folder of recordings.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import kthena
import pytest
import vectors
from kthena import engine

FOLDER = Path(os.environ.get("KTHENA_RECORDINGS") or vectors.ROOT / "tests" / "vectors" / "recordings")
RECORDINGS = sorted(FOLDER.glob("vllm-*.jsonl"))


def frames_of(encoded: list[str]) -> list[bytes]:
    return [base64.b64decode(frame) for frame in encoded]


def test_there_are_recordings() -> None:
    assert [path.stem for path in RECORDINGS] == ["vllm-different-seeds", "vllm-equal-seeds"]


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_depths_are_hits(path: Path) -> None:
    header, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    block = header["block_tokens"]
    index = kthena.PrefixIndex(block_tokens=block)
    workers = [index.add_worker(f"engine-{i}") for i in range(len(header["hash_seeds"]))]
    streams = [engine.KvStream("vllm", worker=worker, model=header["model"]) for worker in workers]
    reset = [False] * len(workers)  # told to forget everything; it says so with its next step only
    pages: list[engine.EngineSample | None] = [None] * len(workers)
    counted = [[0, 0] for _ in workers]
    asked: dict[int, int] = {}
    compared, found, copies, phase = 0, 0, 0, ""

    rest = iter(lines)
    for line in rest:
        kind, e = line["kind"], line.get("engine", 0)
        if kind == "phase":
            phase = line["name"]
        elif kind == "request":
            query = index.query(model=header["model"], adapter=line["adapter"], tenant=line["salt"])
            depth = int(index.find(query.extend(line["tokens"]))[workers[e]])
            asked[line["id"]] = 0 if reset[e] else block * min(depth, (len(line["tokens"]) - 1) // block)
        elif kind == "answer":
            counted[e][0] += line["cached_tokens"]
            counted[e][1] += line["prompt_tokens"]
            if line["hits"] is None:  # other requests ran beside it
                continue
            compared += 1
            found += line["hits"] > 0
            if line["hits"] != asked[line["id"]]:  # docs/engine.md, known limits
                assert phase == "copies"
                copies += 1
        elif kind == "frames":
            reset[e] = False
            step = streams[e].feed(frames_of(line["frames"]), index)
            if step.replay is not None:
                replay(streams[e], step.replay, rest, index)
        elif kind == "reset":
            reset[e] = True
        elif kind == "metrics":
            page = engine.parse_metrics(line["text"], "vllm")
            if line["whole"]:
                assert page.running >= 2
                continue
            between = engine.interval(pages[e], page)
            if pages[e] is not None:
                assert [between.growth["prefix_hits"], between.growth["prefix_queries"]] == counted[e]
            pages[e], counted[e] = page, [0, 0]
    assert compared > 60
    assert found > 20
    assert copies == 1
    assert [stream.state for stream in streams] == [engine.KvState.LIVE] * len(streams)
    assert streams[0].info().gaps == 1


def replay(stream: engine.KvStream, wanted: engine.ReplayRequest, rest: Any, index: kthena.PrefixIndex) -> None:
    """The recorded lines from the gap on: more live messages, then the replay that the subscriber asked for."""
    for line in rest:
        if line["kind"] == "replay":
            assert line["first"] == wanted.first
            for answer in line["answers"]:
                stream.feed_replay(frames_of(answer), index)
            assert stream.state == engine.KvState.LIVE
            return
        assert stream.feed(frames_of(line["frames"]), index).outcome == engine.KvOutcome.HELD_BACK
    raise AssertionError("the recording ends with an open gap")
