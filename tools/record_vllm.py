#!/usr/bin/env python3
"""Records what real vLLM engines say: every KV event batch, metrics pages, and the requests that made them.

    PYTHON tools/record_vllm.py --out tests/vectors/recordings [--run different-seeds] [--run equal-seeds]

PYTHON is an interpreter that has vLLM (the CPU build is enough; `make test-vllm` installs it) and pyzmq, which comes with it.
No weights are needed: the model has two layers, random numbers (`--load-format dummy`) and one token per byte of text. A run starts two
engines, which listen on loopback and on sockets in a temporary folder, takes a few minutes and stops them by their process ids.

    different-seeds   PYTHONHASHSEED 1 and 2: one block has another hash in each engine
    equal-seeds       PYTHONHASHSEED 7 in both: equal hashes

Each run becomes one file of JSON lines in the order in which things happened:

    header      what was recorded with what
    phase       name: what the lines below are about
    request     before it is sent: engine, number, prompt (tokens as /tokenize gives them, adapter, salt), tokens to answer
    frames      a message of an engine's event socket: its frames in base64
    answer      the engine's usage and the growth of its counters of prefix cache hits and queries (tokens); null when the request was
                not alone
    metrics     a page; whole, or the lines that matter
    reset       the prefix cache was told to forget everything
    away, back  the subscriber of an engine was disconnected, connected again
    replay      the subscriber asked for what it missed (first); answers: messages of the replay socket
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import zmq

MODEL = "tiny"
BLOCK_TOKENS = 32  # the smallest that the CPU backend takes
BLOCKS = 33  # block 0 is vLLM's null block
BATCHED_TOKENS = 256
MAX_RUNNING = 8
MAX_TOKENS = 512
CLIENTS = 5  # in the phase "concurrency"
RUNS = {"different-seeds": ("1", "2"), "equal-seeds": ("7", "7")}

START_S = 1200.0
ANSWER_S = 300.0
QUIET_MS = 150
COUNTERS = ("vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total")
KEPT = re.compile(
    r"vllm:(num_requests_(running|waiting)\{|kv_cache_usage_perc|lora_requests_info|prefix_cache_(hits|queries)_total"
    r"|num_preemptions_total|prompt_tokens_total|generation_tokens_total)"
)


# ---------------------------------------------------------------- a model without weights
def byte_symbols() -> dict[int, str]:
    """The printable symbol of each byte, as byte-level BPE tokenizers name them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(rest)}


def write_model(folder: Path) -> None:
    folder.mkdir()
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    symbols = byte_symbols()
    vocab = {token: i for i, token in enumerate(special)}
    vocab |= {symbols[b]: len(special) + b for b in range(256)}
    added = [
        {
            "id": i,
            "content": t,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for i, t in enumerate(special)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bpe = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
    }
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": bpe | {"fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []},
    }
    template = "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '\n' }}{% endfor %}a:"
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
    }
    settings |= {"pad_token": "<pad>", "model_max_length": 2048, "chat_template": template}
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 512,
        "hidden_size": 128,
    }
    config |= {"intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    config |= {"head_dim": 32, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}
    config |= {"hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2}
    config |= {"torch_dtype": "bfloat16"}
    for name, document in (("tokenizer", tokenizer), ("tokenizer_config", settings), ("config", config)):
        (folder / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")


def write_adapter(folder: Path) -> None:
    """A LoRA adapter of rank 8 with random numbers, in the safetensors format."""
    folder.mkdir()
    numbers = random.Random(8)
    header: dict[str, Any] = {}
    body = b""
    for layer in range(2):
        for part, shape in (("A", [8, 128]), ("B", [128, 8])):
            values = [numbers.uniform(-0.1, 0.1) for _ in range(shape[0] * shape[1])]
            data = struct.pack(f"<{len(values)}f", *values)
            name = f"base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{part}.weight"
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
            body += data
    head = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + body)
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
    config |= {"bias": "none", "base_model_name_or_path": MODEL}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


# ---------------------------------------------------------------- one engine
def encode(frames: list[bytes]) -> list[str]:
    return [base64.b64encode(frame).decode() for frame in frames]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


class Log:
    """The recording: lines in the order in which they were added."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def add(self, kind: str, **fields: Any) -> None:
        with self._lock:
            self.lines.append({"kind": kind, **fields})


class Engine:
    def __init__(self, number: int, hash_seed: str, folder: Path, log: Log, context: Any) -> None:
        self.number = number
        self.log = log
        self.next_sequence = 0
        self._context = context
        self._events = f"ipc://{folder}/events{number}"
        self._replays = f"ipc://{folder}/replay{number}"
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self.arguments = ["--served-model-name", MODEL, "--load-format", "dummy", "--enforce-eager"]
        self.arguments += ["--block-size", str(BLOCK_TOKENS), "--num-gpu-blocks-override", str(BLOCKS)]
        self.arguments += ["--max-model-len", str(MAX_TOKENS), "--max-num-seqs", str(MAX_RUNNING)]
        self.arguments += ["--max-num-batched-tokens", str(BATCHED_TOKENS), "--enable-prompt-tokens-details"]
        self.arguments += ["--enable-lora", "--max-lora-rank", "8", "--max-loras", "1"]
        events = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": self._events}
        events |= {"replay_endpoint": self._replays, "topic": f"kv@{'ab'[number]}@{MODEL}"}
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder / "model")]
        command += ["--host", "127.0.0.1", "--port", str(port), *self.arguments]
        command += ["--kv-events-config", json.dumps(events)]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        environment |= {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
        environment |= {"VLLM_SERVER_DEV_MODE": "1", "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True"}
        self.log_path = folder / f"server{number}.log"
        with self.log_path.open("wb") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        self._replay_socket: Any = None
        self._socket: Any = None

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                self.http("/health")
                return
            except OSError:
                time.sleep(1)
        tail = self.log_path.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise RuntimeError(f"engine {self.number} did not start:\n{tail}")

    def stop(self) -> None:
        for s in (self._socket, self._replay_socket):
            if s is not None:
                s.close(0)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)  # its own session: the server and its children
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(60)

    # ---- HTTP
    def http(self, path: str, body: Any = None) -> str:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                text: str = answer.read().decode()
                return text
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.code} {error.read().decode()[:1000]}") from error

    def counters(self) -> list[int]:
        page = self.http("/metrics")
        found = [re.search(rf"^{name}\{{[^}}]*\}} (\S+)$", page, re.M) for name in COUNTERS]
        return [int(float(match[1])) if match else 0 for match in found]

    def record_metrics(self, whole: bool = False) -> None:
        text = self.http("/metrics")
        if not whole:
            text = "".join(line for line in text.splitlines(True) if KEPT.match(line))
        self.log.add("metrics", engine=self.number, whole=whole, text=text)

    # ---- events
    def subscribe(self) -> None:
        self._socket = self._context.socket(zmq.SUB)
        self._socket.set_hwm(0)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(self._events)
        time.sleep(1.0)  # PUB does not say when it has heard of us; a number that is missing later stops the recording

    def unsubscribe(self) -> None:
        self._socket.close(0)
        self._socket = None

    def receive(self, quiet_ms: int) -> None:
        """Records messages until none came for a while."""
        while self._socket is not None and self._socket.poll(quiet_ms):
            frames = self._socket.recv_multipart()
            self.log.add("frames", engine=self.number, frames=encode(frames))
            self.next_sequence = int.from_bytes(frames[1], "big") + 1

    def replay(self, first: int) -> list[list[bytes]]:
        if self._replay_socket is None:
            self._replay_socket = self._context.socket(zmq.DEALER)
            self._replay_socket.connect(self._replays)
        self._replay_socket.send_multipart([b"", struct.pack(">Q", first)])
        answers: list[list[bytes]] = []
        while not answers or answers[-1][-2] != b"\xff" * 8:
            if not self._replay_socket.poll(30_000):
                raise RuntimeError(f"engine {self.number}: no end of the replay from {first}")
            answers.append(self._replay_socket.recv_multipart())
        return answers

    def settle(self) -> None:
        """Records messages until the engine's replay buffer holds nothing that did not come."""
        for _ in range(100):
            self.receive(QUIET_MS)
            if len(self.replay(self.next_sequence)) == 1:
                return
        raise RuntimeError(f"engine {self.number}: batches from {self.next_sequence} on did not arrive")


# ---------------------------------------------------------------- what is asked
class Client:
    def __init__(self, engines: list[Engine], log: Log) -> None:
        self.engines = engines
        self.log = log
        self.number = 0
        self.words = random.Random(4)
        self._lock = threading.Lock()

    def text(self, tokens: int) -> str:
        return "".join(self.words.choice("abcdefghijklmnopqrstuvwxyz ") for _ in range(tokens))

    def chat(
        self, engine: Engine, prompt: str, answer: int, adapter: str = "", salt: str = "", alone: bool = True
    ) -> list[int]:
        """A chat request. Gives its tokens and those of the answer. `alone`: nothing else runs, and the events are heard."""
        model = adapter or MODEL
        body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        tokens = json.loads(engine.http("/tokenize", body | {"add_generation_prompt": True}))["tokens"]
        said = {"tokens": tokens, "answer_tokens": answer, "adapter": adapter, "salt": salt, "prompt": prompt}
        return self._send(engine, "/v1/chat/completions", body | {"max_completion_tokens": answer}, said, alone)

    def complete(self, engine: Engine, tokens: list[int], answer: int) -> list[int]:
        """A completion whose prompt is token ids: how a conversation goes on without being tokenised again."""
        said = {"tokens": tokens, "answer_tokens": answer, "adapter": "", "salt": "", "prompt": None}
        return self._send(
            engine, "/v1/completions", {"model": MODEL, "prompt": tokens, "max_tokens": answer}, said, True
        )

    def _send(self, engine: Engine, path: str, body: dict[str, Any], said: dict[str, Any], alone: bool) -> list[int]:
        tokens: list[int] = said["tokens"]
        body |= {"temperature": 0, "ignore_eos": True, "return_token_ids": True}
        if said["salt"]:
            body["cache_salt"] = said["salt"]
        before = engine.counters() if alone else []
        with self._lock:
            number = self.number
            self.number += 1
            self.log.add("request", engine=engine.number, id=number, **said)
        result = json.loads(engine.http(path, body))
        usage = result["usage"]
        if usage["prompt_tokens"] != len(tokens):
            raise RuntimeError(
                f"request {number}: {usage['prompt_tokens']} prompt tokens, /tokenize says {len(tokens)}"
            )
        hits, queries = self._growth(engine, before, number, len(tokens)) if alone else (None, None)
        self.log.add(
            "answer",
            engine=engine.number,
            id=number,
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
            hits=hits,
            queries=queries,
        )
        return tokens + list(result["choices"][0]["token_ids"])

    def _growth(self, engine: Engine, before: list[int], number: int, tokens: int) -> tuple[int, int]:
        """How much the counters grew: hits, queries. Afterwards all events of the request are recorded."""
        engine.settle()
        for _ in range(100):
            hits, queries = (now - then for now, then in zip(engine.counters(), before, strict=True))
            if queries == tokens:
                return hits, queries
            time.sleep(0.1)
        raise RuntimeError(f"request {number}: {queries} tokens were looked up, {tokens} were sent")


def not_whole(tokens: int) -> int:
    """The same, or one more where a prompt would end with a block (see the phase "copies")."""
    return tokens + (tokens % BLOCK_TOKENS == 0)


def prompt_tokens(length: int) -> int:
    """Letters of a chat prompt of so many tokens: the template adds five."""
    return length - 5


def sequential(client: Client) -> None:
    """One request after the other: shared prefixes, an adapter, salts, more than the caches hold."""
    choose = random.Random(5)
    prefixes = [client.text(length) for length in (70, 130, 200)]
    asked: list[tuple[str, int, str, str]] = []
    for i in range(36):
        if i > 5 and i % 6 == 0:  # an old prompt again; its answer must not fill a block, see "copies"
            prompt, _, adapter, salt = asked[-choose.randint(1, 4)]
            answer = 1
        else:
            prefix = choose.choice(prefixes)
            length = not_whole(len(prefix) + 5 + choose.randint(8, 100))
            prompt = prefix + client.text(prompt_tokens(length) - len(prefix))
            adapter = choose.choice(["", "", "", "l1"])
            salt = choose.choice(["", "", "", "s1"])
            answer = choose.choice([1, 2, 7, 20, 40])
        asked.append((prompt, answer, adapter, salt))
        both = choose.random() < 0.3
        engines = client.engines if both else [choose.choice(client.engines)]
        for engine in engines:
            client.chat(engine, prompt, answer, adapter, salt)


def conversation(client: Client) -> None:
    """Prompts that go on with an answer: blocks of answers are found."""
    for engine in client.engines:
        tokens = client.chat(engine, client.text(prompt_tokens(75)), 40)
        tokens = client.complete(engine, tokens + [4 + ord(c) for c in client.text(20)], 50)
        client.complete(engine, tokens + [4 + ord(c) for c in client.text(9)], 3)


def copies(client: Client) -> None:
    """A prompt of whole blocks is asked again: its last block is computed again and cached twice; then one of the two is evicted."""
    engine = client.engines[0]
    reset(client, engine)
    prompt = client.text(prompt_tokens(3 * BLOCK_TOKENS))
    client.chat(engine, prompt, 1)
    client.chat(engine, prompt, 1)
    free = BLOCKS - 1 - 4
    for blocks in (free // 2, free - free // 2):
        client.chat(engine, client.text(prompt_tokens(blocks * BLOCK_TOKENS + 5)), 1)
    client.complete(engine, [4 + ord(c) for c in f"u:{prompt}\na:more"], 1)


def reset(client: Client, engine: Engine) -> None:
    engine.settle()
    client.log.add("reset", engine=engine.number)
    engine.http("/reset_prefix_cache", {})
    engine.settle()


def after_reset(client: Client) -> None:
    prompt = client.text(prompt_tokens(150))
    for engine in client.engines:
        client.chat(engine, prompt, 1)
        reset(client, engine)
        client.chat(engine, prompt, 1)
        client.chat(engine, prompt, 1)


def gap(client: Client) -> None:
    """The subscriber misses some batches, then asks for them."""
    engine = client.engines[0]
    prefix = client.text(100)
    client.chat(engine, prefix + client.text(30), 1)
    first = engine.next_sequence
    client.log.add("away", engine=engine.number)
    engine.unsubscribe()
    missed = [prefix + client.text(60), client.text(300)]
    for prompt in missed:
        client.chat(engine, prompt, 1, alone=False)
    client.log.add("back", engine=engine.number)
    engine.subscribe()
    client.chat(engine, prefix + client.text(90), 1, alone=False)
    engine.receive(2000)
    answers = engine.replay(first)
    client.log.add("replay", engine=engine.number, first=first, answers=[encode(frames) for frames in answers])
    client.chat(engine, missed[0] + client.text(40), 1)
    client.chat(engine, missed[1] + client.text(40), 1)


@contextmanager
def receiving(engine: Engine) -> Iterator[None]:
    """Records the engine's messages from a thread while the body runs."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            engine.receive(20)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    engine.settle()


def together(
    client: Client, engine: Engine, prompts: list[tuple[str, int, str]], clients: int, busy_page: bool = False
) -> None:
    """All prompts, so many at once. `busy_page`: records a whole metrics page in between."""
    faults: list[Exception] = []
    queue = iter(prompts)
    lock = threading.Lock()

    def run() -> None:
        while True:
            with lock:
                following = next(queue, None)
            if following is None:
                return
            try:
                client.chat(engine, *following, alone=False)
            except Exception as error:
                faults.append(error)

    with receiving(engine):
        threads = [threading.Thread(target=run) for _ in range(clients)]
        for thread in threads:
            thread.start()
            time.sleep(0.005)
        if busy_page:
            for _ in range(200):  # a page of a busy engine
                text = engine.http("/metrics")
                match = re.search(r"^vllm:num_requests_running\{[^}]*\} (\S+)$", text, re.M)
                if match and float(match[1]) >= 2:
                    break
            client.log.add("metrics", engine=engine.number, whole=True, text=text)
        for thread in threads:
            thread.join()
    if faults:
        raise faults[0]


def preemption(client: Client) -> None:
    """More answers at once than the cache holds, behind shared prefixes."""
    for engine in client.engines:
        reset(client, engine)
        engine.record_metrics()
        prefixes = [client.text(length) for length in (75, 110)]
        prompts = []
        for i in range(6):
            prefix = prefixes[i % 2]
            length = not_whole(len(prefix) + 5 + 10 + 3 * i)
            prompt = prefix + client.text(prompt_tokens(length) - len(prefix))
            prompts.append((prompt, 250, "l1" if i % 4 == 3 else ""))
        together(client, engine, prompts, len(prompts), busy_page=engine.number == 0)
        engine.record_metrics()


def concurrency(client: Client) -> None:
    """Shared prefixes from several clients at once; then the same prefixes one by one."""
    for engine in client.engines:
        reset(client, engine)
        engine.record_metrics()
        choose = random.Random(6 + engine.number)
        prefixes = [client.text(length) for length in (75, 140)]
        prompts = []
        for _ in range(16):
            prefix = choose.choice(prefixes)
            length = not_whole(len(prefix) + 5 + choose.randint(5, 40))
            prompts.append((prefix + client.text(prompt_tokens(length) - len(prefix)), choose.choice([10, 30, 50]), ""))
        together(client, engine, prompts, CLIENTS)
        engine.record_metrics()
        for prefix in prefixes:
            client.chat(engine, prefix + client.text(prompt_tokens(not_whole(len(prefix) + 25)) - len(prefix)), 1)


PHASES = (sequential, conversation, copies, after_reset, gap, preemption, concurrency)


def record(run: str, target: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kthena-"))  # socket names must be short
    log = Log()
    context = zmq.Context()
    engines: list[Engine] = []
    try:
        write_model(folder / "model")
        write_adapter(folder / "l1")
        for number, seed in enumerate(RUNS[run]):
            engines.append(Engine(number, seed, folder, log, context))
        for engine in engines:
            engine.wait_until_ready()
        version = json.loads(engines[0].http("/version"))["version"]
        log.add(
            "header",
            about=f"Recorded from real engines by tools/record_vllm.py --run {run}; see there.",
            run=run,
            engine=f"vLLM {version}",
            package=f"vllm-cpu {metadata.version('vllm-cpu')}",
            profile="vllm",
            model=MODEL,
            hash_seeds=list(RUNS[run]),
            block_tokens=BLOCK_TOKENS,
            blocks=BLOCKS - 1,
            max_batched_tokens=BATCHED_TOKENS,
            max_running=MAX_RUNNING,
            clients=CLIENTS,
            arguments=engines[0].arguments,
        )
        client = Client(engines, log)
        for engine in engines:
            engine.subscribe()
            engine.http("/v1/load_lora_adapter", {"lora_name": "l1", "lora_path": str(folder / "l1")})
            engine.record_metrics()
        for phase in PHASES:
            print(f"{run}: {phase.__name__}", flush=True)
            log.add("phase", name=phase.__name__)
            phase(client)
            for engine in engines:
                engine.settle()
                engine.record_metrics()
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("w", encoding="utf-8") as output:
            for line in log.lines:
                output.write(json.dumps(line, separators=(",", ":")) + "\n")
        print(f"{target}: {len(log.lines)} lines, {target.stat().st_size} bytes")
    except BaseException:
        for engine in engines:
            shutil.copy(engine.log_path, f"/tmp/kthena-record-{run}-{engine.number}.log")
        raise
    finally:
        for engine in engines:
            engine.stop()
        context.destroy(0)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--run", choices=sorted(RUNS), action="append", help="default: all")
    options = parser.parse_args()
    for run in options.run or RUNS:
        record(run, options.out / f"vllm-{run}.jsonl")


if __name__ == "__main__":
    main()
