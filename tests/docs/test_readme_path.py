"""The README's first screen: from one's own table to a served model, in at most six commands."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest
from walkthrough import ROOT, blocks, follow, with_model, write_tickets

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = blocks(PAGE)[0]["text"]
PATH = BLOCK.replace("\\\n", " ").splitlines()


def test_the_first_screen_has_it_all():
    first = "\n".join(PAGE.splitlines()[:25])
    assert BLOCK in first
    assert len(PATH) <= 6
    assert [line.split()[1] for line in PATH] == ["install", "run", "report", "predict", "serve"]
    assert PAGE.count("\n") < 200


def test_the_first_command_is_the_shortest_way_to_a_run():
    first = re.search(r"```\n(.*?)```", PAGE, re.DOTALL)[1]
    assert first == (
        "pip install -c constraints.txt -e '.[starter]' && toolkit run text-classification\n"
    )


@pytest.mark.slow
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_its_commands_run_as_they_stand_there(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setenv("BROWSER", "true")  # a program that opens nothing
    write_tickets(tmp_path)
    served = PATH[-1].split()
    quick = "\n".join(["<!-- run -->", "```", *PATH[1:-1], "```"])
    follow(quick, tmp_path, added=with_model(tiny_model))
    with (tmp_path / "predicted.csv").open(encoding="utf-8") as file:
        labels = [row["prediction.label"] for row in csv.DictReader(file)]
    assert len(labels) == 2

    command = [sys.executable, "-m", *served, "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
            rows = json.dumps([{"message": "a new hammer"}, {"message": "one old crow"}]).encode()
            request = urllib.request.Request(  # noqa: S310 - our own address
                f"{url}/predict", rows, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - as above
                assert [one["label"] for one in json.load(answer)] == labels
        finally:
            process.send_signal(signal.SIGINT)
