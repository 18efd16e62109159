"""`toolkit serve` as a process: where it says that it answers, and how signals end it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.fixture(scope="module")
def run(finished):
    return finished("text-classification")


@contextmanager
def serving(run, *words):
    """Start the process; yield it, and the address that it has printed."""
    command = [sys.executable, "-m", "toolkit", "serve", str(run.path), "--port", "0", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            found = re.search(r"serving at (http://127\.0\.0\.1:\d+)", process.stdout.readline())
            assert found, process.communicate(timeout=30)
            yield process, found[1]
        finally:
            process.kill()


def ask(url, rows):
    """Return the JSON of an answer, or nothing where there was none, or an error."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url + "/predict", json.dumps(rows).encode(), headers)  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310 - as above
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass
    return None


def until(condition):
    while not condition():
        time.sleep(0.1)


def waiting(url):
    with urllib.request.urlopen(url + "/metrics", timeout=60) as answer:  # noqa: S310 - as above
        return float(re.search(r"waiting_rows\{.*\} (.*)", answer.read().decode())[1])


def refuses(url):
    host, port = url.removeprefix("http://").split(":")
    with socket.socket() as client:
        return client.connect_ex((host, int(port))) != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_before_the_process_ends(run, number):
    rows = [{"text": "my red apple"}, {"text": "a heron"}]
    before = run.predict(rows)
    with serving(run, "--wait-ms", "3000") as (process, url), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, url, rows)
        until(lambda: waiting(url) == 2)
        process.send_signal(number)
        found = answer.result()
        said = process.communicate(timeout=120)
    assert [one["label"] for one in found] == [one["label"] for one in before]
    assert (process.returncode, said) == (0, ("", ""))


def test_a_second_signal_ends_it_though_the_model_computes(run):
    rows = [{"text": "the old hammer is here " * 12}] * 60_000  # a minute and more
    limits = ("--wait-ms", "1000", "--batch-rows", "1000000", "--request-rows", "1000000",
              "--body-mb", "100", "--timeout", "3000")  # fmt: skip
    with serving(run, *limits) as (process, url), ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, url, rows)
        until(lambda: waiting(url) == len(rows))
        until(lambda: waiting(url) == 0)  # they are with the model
        process.send_signal(signal.SIGTERM)
        until(lambda: refuses(url))
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=15)
        assert answer.result() is None
    assert (process.returncode, said) == (130, ("", "interrupted\n"))
