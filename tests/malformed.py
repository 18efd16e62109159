"""Malformed requests to a server: every answer is the sender's fault (4xx), none is the server's.

    toolkit serve RUN... --port 8000 &
    python tests/malformed.py http://127.0.0.1:8000 [REQUESTS] [SEED]

Takes the rows of the server's OpenAPI document and breaks them: other types, keys left out or
misspelt, bytes cut, swapped or put in, depths, sizes, headers and methods. Prints the number of
answers by status, and exits with 1 where one is 5xx. Schemathesis goes further into the document:
`schemathesis run URL/openapi.json --mode negative --checks not_a_server_error`.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import urllib.parse
import urllib.request
from collections import Counter
from typing import Any

ODD = [None, True, 0, -1, 1e308, 10**400, "", " ", "\0", "\ud800", "a" * 5000, [], {}, [[]],
       {"a": 1}, ["a"], "NaN", "data:,", "/etc/passwd", "=1+1", "\u202e",
       "\U0001f600" * 50]  # fmt: skip
RAW = [b"", b"NaN", b"Infinity", b"{", b"[", b"]", b"null", b"\xff\xfe\x00", b"[" * 5000,
       b'{"a":' * 900, b"\x00" * 64, b'"', b"{}{}", b"[,]", b"{'a': 1}", b"\xef\xbb\xbf{}",
       b"1e999"]  # fmt: skip
KINDS = ["application/json", "application/json; charset=utf-16", "text/plain", "",
         "multipart/form-data", "application/x-www-form-urlencoded"]  # fmt: skip


def broken(row: dict[str, Any], rng: random.Random) -> bytes:
    """Return a body that is hardly a row."""
    way = rng.randrange(6)
    if way == 0:
        return rng.choice(RAW)
    keys = list(row)
    changed: Any = dict(row)
    for key in rng.sample(keys, rng.randint(1, len(keys))):
        if way == 1:
            changed[key] = rng.choice(ODD)
        elif way == 2:
            changed[key + rng.choice(["", "x", "\0", " "]) if rng.random() < 0.5 else key[:-1]] = (
                changed.pop(key)
            )
    if way == 3:
        changed = rng.choice([[], [changed, rng.choice(ODD)], [[changed]], rng.choice(ODD)])
    text = bytearray(json.dumps(changed).encode())
    if way >= 4:
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(text))
            if way == 4:
                text[place] = rng.randrange(256)
            else:
                del text[place : place + rng.randint(1, 20)]
                if not text:
                    break
    return bytes(text)


def main(url: str, count: int, seed: int) -> Counter[int]:
    """Send so many requests, and count the answers by status."""
    with urllib.request.urlopen(url + "/openapi.json") as answer:  # noqa: S310 - the user's server
        document = json.load(answer)
    rows = {}
    for path, methods in document["paths"].items():
        if "post" in methods:
            kinds = methods["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
            rows[path] = kinds[0]["example"]
    rng, found = random.Random(seed), Counter[int]()
    host = urllib.parse.urlsplit(url).netloc
    connection = http.client.HTTPConnection(host, timeout=60)
    for _ in range(count):
        path = rng.choice(list(rows))
        kind = rng.choice(KINDS) if rng.random() < 0.1 else KINDS[0]
        method = rng.choice(["GET", "PUT", "DELETE"]) if rng.random() < 0.05 else "POST"
        body = broken(rows[path], rng)
        try:
            connection.request(method, path, body, {"Content-Type": kind})
            reply = connection.getresponse()
            reply.read()
            found[reply.status] += 1
        except (http.client.HTTPException, ConnectionError):
            found[0] += 1  # no answer at all
            connection.close()
    return found


if __name__ == "__main__":
    counted = main(
        sys.argv[1].rstrip("/"),
        int(sys.argv[2]) if len(sys.argv) > 2 else 10_000,
        int(sys.argv[3]) if len(sys.argv) > 3 else 0,
    )
    print(json.dumps(dict(sorted(counted.items()))))  # noqa: T201 - the answer
    sys.exit(int(any(status >= 500 or status == 0 for status in counted)))
