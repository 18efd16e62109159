"""Clients of `toolkit serve`: one text per request, over connections that stay open.

    python benchmarks/on_gpu/clients.py URL TEXTS SECONDS CLIENTS

TEXTS: a file with a JSON object per line. Prints the milliseconds of each good request and the
number of failed ones as JSON. Needs the standard library alone; `gpu.py` starts several of these,
as one process of Python cannot ask faster than a server with a GPU answers.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit


def ask(address: str, bodies: list[str], first: int, seconds: float) -> tuple[list[float], int]:
    """Send one body after the other, from the `first` on; return milliseconds, and failures."""
    connection = http.client.HTTPConnection(address, timeout=60)
    took, failed, end = [], 0, time.monotonic() + seconds
    while (start := time.monotonic()) < end:
        body = bodies[(first + len(took)) % len(bodies)]
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            good = answer.status == 200
        except (OSError, http.client.HTTPException):
            connection.close()  # the next request opens it again
            good = False
        if good:
            took.append((time.monotonic() - start) * 1000)
        else:
            failed += 1
    return took, failed


def main() -> None:
    """Print what all clients together have found."""
    url, texts, seconds, clients = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:5])
    bodies = texts.read_text(encoding="utf-8").splitlines()
    with ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(ask, urlsplit(url).netloc, bodies, n * len(bodies) // clients, seconds)
                for n in range(clients)]  # fmt: skip
        found = [job.result() for job in jobs]
    print(json.dumps({"milliseconds": [round(ms, 2) for took, _ in found for ms in took],
                      "failed": sum(failed for _, failed in found)}))  # fmt: skip


if __name__ == "__main__":
    main()
