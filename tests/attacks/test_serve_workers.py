"""Models that die, hang, or cannot be had again: the request pays, and the server lives."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from attacks.raw import connect, is_well, request, send
from toolkit_plugins.text.classification.plugin import TextClassification

from toolkit import Run
from toolkit.deployment.serving import Server, ServerSettings
from toolkit.deployment.serving.model import Served, UnwantedError
from toolkit.runs.predictor import load_predictor

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class PanicError(BaseException):
    """What pyo3 raises for a panic of Rust."""


@pytest.fixture
def run(finished):
    return finished("text-classification")


@pytest.fixture
def encode(monkeypatch):
    """Let a function look at the plugin and the texts before they are encoded."""
    usual = TextClassification.encode

    def replace(before):
        def encode(self, rows):
            before(self, " ".join(rows["text"]))
            return usual(self, rows)

        monkeypatch.setattr(TextClassification, "encode", encode)

    return replace


def ask(server, text):
    return send(server, request({"text": text}))


def health(server):
    return send(server, request(path="/health"))


def until(condition):
    """Wait for something that comes, or for a minute."""
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it never comes")


@pytest.mark.parametrize("raised", [PanicError, SystemExit, KeyboardInterrupt, StopIteration])
def test_a_request_that_kills_the_worker_gets_500_and_the_next_is_answered(run, encode, raised):
    def dies(plugin, texts):
        if "poison" in texts:
            raise raised("at the disco")

    encode(dies)
    with Server({"a": run}, ServerSettings(port=0, wait=0.2, timeout=10.0)) as server:
        for _ in range(2):
            with ThreadPoolExecutor(4) as pool:
                texts = ["a heron", "poison", "my red apple", "one new drill"]
                found = list(pool.map(lambda text: ask(server, text).status, texts))
            assert found == [200, 500, 200, 200]
        until(lambda: health(server).body["status"] == "ok")
    assert not server.hangs


def test_what_a_panic_has_spoilt_is_loaded_again(run, encode):
    spoilt = set()

    def dies(plugin, texts):
        if "poison" in texts:
            spoilt.add(plugin)
        if plugin in spoilt:
            raise PanicError("a poisoned lock")

    encode(dies)
    with Server({"a": run}, ServerSettings(port=0, timeout=10.0)) as server:
        assert ask(server, "poison").status == 500
        until(lambda: is_well(server))
        assert len(spoilt) == 1


def test_health_says_when_a_model_cannot_be_had_again(run, encode, tmp_path):
    copy = Run(shutil.copytree(run.path, tmp_path / "run"))
    spoilt = set()

    def dies(plugin, texts):
        if "poison" in texts:
            spoilt.add(plugin)
            (copy.path / "model").rename(tmp_path / "away")
        if plugin in spoilt:
            raise PanicError("a poisoned lock")

    encode(dies)
    with Server({"a": copy}, ServerSettings(port=0, timeout=10.0)) as server:
        assert ask(server, "poison").status == 500
        until(lambda: "holds no model" in str(health(server).body))
        assert health(server).status == 503
        assert ask(server, "a heron").status == 500
        (tmp_path / "away").rename(copy.path / "model")
        until(lambda: is_well(server))


def test_one_that_hangs_is_left_behind_and_a_second_is_told(run, encode, caplog):
    gate = threading.Event()

    def hangs(plugin, texts):
        if "wait" in texts:
            gate.wait(60)

    encode(hangs)
    try:
        with Server({"a": run}, ServerSettings(port=0, wait=0.0, timeout=0.3)) as server:
            assert ask(server, "wait").status == 503
            until(lambda: ask(server, "a heron").status == 200)
            until(lambda: is_well(server))
            assert "could not be restored" not in caplog.text
            assert ask(server, "wait").status == 503  # now none may be left behind
            until(lambda: health(server).status == 503)
            assert ask(server, "a heron").status in (500, 503)
            gate.set()
            until(lambda: is_well(server))
    finally:
        gate.set()


def test_the_server_ends_though_the_model_hangs(run, encode):
    gate = threading.Event()
    encode(lambda plugin, texts: "wait" in texts and gate.wait(60))
    try:
        limits = ServerSettings(port=0, wait=0.0, timeout=1.0)
        with Server({"a": run}, limits) as server, connect(server) as client:
            client.sendall(request({"text": "wait"}))
            time.sleep(0.2)
        assert server.hangs
        assert not gate.is_set()
    finally:
        gate.set()


def test_work_that_nobody_waits_for_is_given_up_between_passes(run):
    served = Served("a", run, lambda: load_predictor(run.path))
    served.restored.plugin.recipe.training["per_device_eval_batch_size"] = 2
    passes = []
    served.restored.plugin.model.register_forward_pre_hook(lambda *_: passes.append(1))
    rows = [{"text": f"a heron {n}"} for n in range(20)]
    with pytest.raises(UnwantedError):
        served.answers([rows], lambda: len(passes) < 3)
    assert len(passes) < 5
    (found,) = served.answers([rows], lambda: True)
    assert [one["label"] for one in found] == [one["label"] for one in run.predict(rows)]


def test_who_hangs_up_is_not_predicted(run, encode):
    seen, gate = [], threading.Event()

    def notes(plugin, texts):
        seen.append(texts)
        if "wait" in texts:
            gate.wait(60)

    encode(notes)
    with Server({"a": run}, ServerSettings(port=0, wait=0.0)) as server, connect(server) as first:
        first.sendall(request({"text": "wait"}))
        until(lambda: seen)
        with connect(server) as client:
            client.sendall(request({"text": "gone"}))
            until(lambda: waiting(server) == 1)
        until(lambda: 'status="499"' in send(server, request(path="/metrics")).body)
        gate.set()
        assert is_well(server)
    assert not any("gone" in texts for texts in seen)


def waiting(server):
    (line,) = [line for line in send(server, request(path="/metrics")).body.splitlines()
               if line.startswith("toolkit_waiting_rows{")]  # fmt: skip
    return float(line.split()[-1])


HANGING = """
import sys, time
from toolkit_plugins.text.classification.plugin import TextClassification
from toolkit.cli.main import outcome
TextClassification.encode = lambda self, rows: time.sleep(3600)
sys.exit(outcome(["serve", sys.argv[1], "--port", "0", "--timeout", "1"]))
"""


@pytest.mark.slow
def test_a_process_ends_in_its_grace_though_the_model_hangs(run):
    command = [sys.executable, "-c", HANGING, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            url = process.stdout.readline().decode().split()[2]
            server = type("Started", (), {"url": url})
            assert ask(server, "a heron").status == 503
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert b"did not end" in said
