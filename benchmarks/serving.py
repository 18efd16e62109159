"""`toolkit serve` under load against one text after the other, and a soak.

    python benchmarks/serving.py RUN [SECONDS] [CLIENTS]

RUN: a finished run of text-classification. wrk (Debian's `wrk`) sends texts of Banking77 one per
request, from CLIENTS (64) connections, for SECONDS (20). one_by_one: the same model and texts in a
process of its own that does nothing else, a `transformers.pipeline` call for each. Goals: 3x,
no failed request, and in a soak (600 s) memory that does not grow.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from common import banking77_rows, say

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
import json, sys, time, transformers
transformers.utils.logging.set_verbosity_error()
pipe = transformers.pipeline("text-classification", model=sys.argv[1], truncation=True,
                             max_length=128)
texts = [json.loads(line)["text"] for line in open(sys.argv[2])]
[pipe(text) for text in texts[:50]]
start, count = time.perf_counter(), 0
while time.perf_counter() - start < float(sys.argv[3]):
    pipe(texts[count % len(texts)])
    count += 1
print(count / (time.perf_counter() - start))
"""


def one_by_one(run: Path, texts: Path, seconds: float) -> float:
    """Return texts a second of a loop over a pipeline."""
    command = [sys.executable, "-c", ALONE, str(run / "model"), str(texts), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def served(run: Path, script: Path, seconds: float, clients: int) -> dict[str, float]:
    """Return what wrk finds, and the server's resident memory after a fifth and at the end."""
    command = [sys.executable, "-m", "toolkit", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = re.search(r"http://\S+", server.stdout.readline())[0]  # type: ignore[index]
        usual = ["wrk", "-t1", f"-c{clients}", "-s", str(script), "--timeout", "60s", url]
        try:
            subprocess.run([*usual, "-d3s"], capture_output=True, check=True)  # warm
            process = psutil.Process(server.pid)
            with subprocess.Popen([*usual, f"-d{seconds:.0f}s"], stdout=subprocess.PIPE,
                                  text=True) as load:  # fmt: skip
                time.sleep(seconds / 5)
                early = process.memory_info().rss
                time.sleep(seconds * 0.75)
                late = process.memory_info().rss
                said = load.communicate()[0]
        finally:
            server.terminate()
    requests, failed, median, p99 = map(float, re.search(r"FOUND (.*)", said)[1].split())  # type: ignore[index]
    return {"requests": requests, "failed": failed, "per_second": requests / seconds,
            "median_ms": median, "p99_ms": p99, "memory_early_mb": early / 2**20,
            "memory_late_mb": late / 2**20}  # fmt: skip


def main() -> None:
    """Print the line."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    run = Path(sys.argv[1])
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0
    clients = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    _, test, _ = banking77_rows(1)
    with tempfile.TemporaryDirectory() as name:
        texts, script = Path(name) / "texts.jsonl", Path(name) / "load.lua"
        texts.write_text("".join(json.dumps({"text": text}) + "\n" for text in test["text"]))
        script.write_text(LUA % texts)
        before = one_by_one(run, texts, 10)
        found = served(run, script, seconds, clients)
        after = one_by_one(run, texts, 10)
    alone = max(before, after)
    say("serving", clients=clients, seconds=seconds, ratio=found["per_second"] / alone,
        one_by_one_per_second=alone, **found)  # fmt: skip


if __name__ == "__main__":
    main()
