"""Good and hostile clients of a server, for a while: no good request fails, and memory stays.

    python tests/soak_serve.py [SECONDS] [SEED]

Ten clients of `toolkit serve` with a text and an image model, one of them hostile: it sends what
`tests/attacks/` sends. Prints one JSON line: requests and failures of the good clients, hostile
tries, and the resident memory of the process (MB) after a fifth of the time and at the end.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from attacks.raw import connect, request  # noqa: E402 - after the path
from image_rows import as_bytes  # noqa: E402
from PIL import Image  # noqa: E402

CLIENTS = 10
TEXT, PHOTO = "/models/tickets/predict", "/models/photos/predict"


class Started:
    """A server in a process of its own."""

    def __init__(self, runs: list[str]) -> None:
        words = [sys.executable, "-m", "toolkit", "serve", *runs, "--port", "0"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.url = re.search(r"http://\S+", line)[0]  # type: ignore[index]  # else it has failed

    @property
    def megabytes(self) -> float:
        """Its resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def picture(*size: int, mode: str = "RGB") -> dict[str, str]:
    """Return a row of a black picture."""
    return {"image": base64.b64encode(as_bytes(Image.new(mode, size))).decode()}


def good(server: Started, rng: random.Random) -> int:
    """Send rows as a user does; return the status."""
    path, rows = rng.choice([
        (TEXT, [{"text": f"a {rng.choice(['red apple', 'heron', 'drill'])}"}] * rng.randint(1, 8)),
        (PHOTO, [picture(rng.randint(8, 90), rng.randint(8, 90))]),
    ])  # fmt: skip
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(server.url + path, json.dumps(rows).encode(), headers)  # noqa: S310 - our own server
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - as above
            return int(answer.status) if len(json.load(answer)) == len(rows) else 0
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def attacks() -> list[bytes]:
    """Return what a hostile client sends."""
    large = request(b"[" + b"1," * 4_900_000 + b"1]", TEXT)
    return [
        large, large[: len(large) // 2], b"", b"GET /health HTTP/1.1\r\nHost: localh",
        request(path="/health", **{f"X_{n}": "a" for n in range(200)}),
        request(path="/health", X_Long="a" * 1_000_000), request(path="/", Host="localhost:evil"),
        request(b"[" * 900_000, TEXT), request(b"\xff" * 1000, TEXT), request([{"text": 1}] * 300),
        request({"image": "a" * 5_000_000}, PHOTO), request(picture(8000, 8000, mode="1"), PHOTO),
        request([picture(3000, 3000, mode="1")] * 10, PHOTO), request(picture(14_000, 1), PHOTO),
        request(picture(1, 14_000), PHOTO), request(picture(40_000, 40_000, mode="1"), PHOTO),
        request(path="/health", Connection="keep-alive") * 3000,
        request([{"text": "the old hammer " * 200}] * 256, TEXT), request(path="/report"),
    ]  # fmt: skip


def hostile(server: Started, rng: random.Random, sent: list[bytes], held: list[Any]) -> None:
    """Do one thing that no good client does."""
    with suppress(OSError):
        client = connect(server)
        client.settimeout(rng.choice([0.05, 1.0, 20.0]))
        held.append(client)
        if len(held) > 200:
            held.pop(rng.randrange(len(held))).close()
        client.sendall(rng.choice(sent))
        if rng.random() < 0.5:
            client.recv(1000)
        if rng.random() < 0.5:
            client.close()


def soak(server: Started, seconds: float, seed: int) -> dict[str, Any]:
    """Let the clients loose; return what came of it."""
    end, lock = time.monotonic() + seconds, threading.Lock()
    statuses, tries, bad = Counter[int](), Counter[str](), attacks()

    def client(number: int) -> None:
        rng, held = random.Random(f"{seed} {number}"), list[Any]()
        while time.monotonic() < end:
            if number == 0:
                hostile(server, rng, bad, held)
                tries["hostile"] += 1
            else:
                status = good(server, rng)
                with lock:
                    statuses[status] += 1
                time.sleep(rng.random() * 0.1)
        for one in held:
            one.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 5)
    first = server.megabytes
    for thread in threads:
        thread.join()
    time.sleep(3)
    return {
        "seconds": seconds, "good": statuses.total(), "hostile": tries["hostile"],
        "failed": {str(k): n for k, n in sorted(statuses.items()) if k != 200},
        "megabytes": [round(first), round(server.megabytes)],
    }  # fmt: skip


def main() -> None:
    """Make two runs, serve them, and print what came of it."""
    import conftest  # noqa: F401 - sets the environment, and imports what a run needs
    import finished

    seconds, seed = [*map(float, sys.argv[1:]), 600, 0][:2] if len(sys.argv) > 1 else (600, 0)
    with tempfile.TemporaryDirectory() as folder:
        for scenario, name in (("text-classification", "t"), ("image-classification", "p")):
            (Path(folder) / name).mkdir()
            finished.make(scenario, Path(folder) / name)
        server = Started([f"tickets={folder}/t/tickets", f"photos={folder}/p/photos"])
        try:
            found = soak(server, seconds, int(seed))
            server.process.terminate()
            found["exit_code"] = server.process.wait(60)
        finally:
            server.process.kill()
    print(json.dumps(found))  # noqa: T201 - the answer
    sys.exit(int(bool(found["failed"]) or found["exit_code"] != 0))


if __name__ == "__main__":
    main()
