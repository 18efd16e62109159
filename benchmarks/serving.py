"""`toolkit serve` under load against one text after the other, and a soak.

    python benchmarks/serving.py RUN [SECONDS] [CLIENTS] [OPTION...]

RUN: a finished run of text-classification. wrk (Debian's `wrk`) sends texts of Banking77 one per
request, from CLIENTS (64) connections, for SECONDS (20); OPTIONs go to `toolkit serve`
(`--dtype bfloat16`). one_by_one: the same model and texts in a process of its own that does nothing
else, a `transformers.pipeline` call for each. Both take turns, while the other waits: the speed of
a machine changes. Goals: 3x, no failed request, and in a soak (600 s) memory that does not grow.
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
from common import banking77_rows, say

ROUNDS = 4
LUA = """
local texts = {}
for line in io.lines("%s") do texts[#texts + 1] = line end
local place = math.random(#texts)
request = function()
  place = place %% #texts + 1
  return wrk.format("POST", "/predict", {["Content-Type"] = "application/json"}, texts[place])
end
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format("FOUND %%d %%d %%f %%f", summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3))
end
"""
ALONE = """
import json, sys, time, torch, transformers
transformers.utils.logging.set_verbosity_error()
pipe = transformers.pipeline("text-classification", model=sys.argv[1], truncation=True,
                             max_length=128, device="cuda" if torch.cuda.is_available() else "cpu")
texts = [json.loads(line)["text"] for line in open(sys.argv[2])]
[pipe(text) for text in texts[:50]]
for line in sys.stdin:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < float(line):
        pipe(texts[count % len(texts)])
        count += 1
    print(count / (time.perf_counter() - start), flush=True)
"""


@contextmanager
def one_by_one(run: Path, texts: Path) -> Iterator[Callable[[float], float]]:
    """Give a function: seconds in, texts a second of a loop over a pipeline out."""
    command = [sys.executable, "-c", ALONE, str(run / "model"), str(texts)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as child:  # type: ignore[call-overload]

        def measure(seconds: float) -> float:
            print(seconds, file=child.stdin, flush=True)
            return float(child.stdout.readline())

        try:
            yield measure
        finally:
            child.terminate()


@contextmanager
def served(run: Path, options: Sequence[str]) -> Iterator[tuple[str, psutil.Process]]:
    """Give the address and the process of a server."""
    command = [sys.executable, "-m", "toolkit", "serve", str(run), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = re.search(r"http://\S+", server.stdout.readline())[0]  # type: ignore[index]
        try:
            yield url, psutil.Process(server.pid)
        finally:
            server.terminate()


def load(url: str, script: Path, seconds: float, clients: int) -> list[float]:
    """Return what wrk finds: requests, failures, median and p99 in ms."""
    command = ["wrk", "-t1", f"-c{clients}", "-s", str(script), "--timeout", "60s", url,
               f"-d{seconds:.0f}s"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(word) for word in re.search(r"FOUND (.*)", done.stdout)[1].split()]  # type: ignore[index]


def main() -> None:
    """Print the line."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    run, (seconds, clients), options = Path(sys.argv[1]), sizes(sys.argv[2:4]), sys.argv[4:]
    _, test, _ = banking77_rows(1)
    part = seconds / ROUNDS
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        texts, script = Path(name) / "texts.jsonl", Path(name) / "load.lua"
        texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in test["text"]))
        script.write_text(LUA % texts)
        alone = stack.enter_context(one_by_one(run, texts))
        url, process = stack.enter_context(served(run, options))
        load(url, script, 3, clients)  # warm
        rates, found, memory = [], [], []
        for _ in range(ROUNDS):
            rates.append(alone(min(part, 10.0)))
            found.append(load(url, script, part, clients))
            memory.append(round(process.memory_info().rss / 2**20))
    requests, failed, medians, p99s = zip(*found, strict=True)
    before, rate = statistics.mean(rates), sum(requests) / (ROUNDS * round(part))
    say("serving", options=" ".join(options), clients=clients, seconds=seconds,
        ratio=rate / before, one_by_one_per_second=before, per_second=rate,
        requests=sum(requests), failed=sum(failed), median_ms=statistics.median(medians),
        p99_ms=max(p99s), memory_mb=memory)  # fmt: skip


def sizes(given: Sequence[str]) -> tuple[float, int]:
    """Return seconds and clients."""
    return float(given[0]) if given else 20.0, int(given[1]) if len(given) > 1 else 64


if __name__ == "__main__":
    main()
