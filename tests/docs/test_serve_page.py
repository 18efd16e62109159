"""docs/serve.md: its ways to ask, its tables and its options hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.request

import pytest
import yaml
from walkthrough import ROOT

from toolkit.cli.main import outcome
from toolkit.deployment.serving import Server, ServerSettings

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"


def block(mark):
    """Return the code below a mark."""
    return re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture(scope="module")
def server(finished):
    with Server({"tickets": finished("text-classification")}, ServerSettings(port=0)) as started:
        yield started


def test_python_asks_as_the_page_says(server):
    names = {}
    exec(block("ask: python").replace(ADDRESS, server.url), names)  # noqa: S102 - our own page
    assert names["prediction"]["label"] in names["prediction"]["scores"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_asks_as_the_page_says(server):
    command = block("ask: curl").replace(ADDRESS, server.url)
    done = subprocess.run(["bash", "-c", f"{command.strip()} --silent"], capture_output=True,  # noqa: S607 - our own page
                          check=True)  # fmt: skip
    assert [set(one) for one in json.loads(done.stdout)] == [{"label", "score", "scores"}] * 2


def test_the_answers_are_those_of_the_server(server):
    with urllib.request.urlopen(server.url + "/openapi.json") as answer:  # noqa: S310 - our own address
        told = json.load(answer)["paths"]["/predict"]["post"]["responses"]
    listed = set(re.findall(r"^\| (\d{3}) \|", PAGE, re.M))
    assert listed == {*told, "401", "421", "500"}


def test_the_metrics_are_those_of_the_server(server):
    with urllib.request.urlopen(server.url + "/metrics") as answer:  # noqa: S310 - our own address
        there = re.findall(r"^# TYPE (\w+) (?!gauge\n.*_created)", answer.read().decode(), re.M)
    there = {name for name in there if not name.endswith("_created")}
    assert there == set(re.findall(r"^\| `(toolkit_\w+)` \|", PAGE, re.M))
    found = yaml.safe_load(block("prometheus"))["scrape_configs"][0]
    assert found["static_configs"][0]["targets"] == [ADDRESS.removeprefix("http://")]


def test_the_options_are_those_of_the_command(capsys):
    assert outcome(["serve", "--help"]) == 0
    help_text = capsys.readouterr().out
    for option in set(re.findall(r"--(?:[a-z]+-)*[a-z]+(?= |`|\))", PAGE)) - {"--data"}:
        assert option in help_text
    defaults = {"--timeout": "30", "--body-mb": "10", "--request-rows": "256",
                "--queue-rows": "2048", "--batch-rows": "64", "--wait-ms": "5"}  # fmt: skip
    for option, value in defaults.items():
        assert re.search(rf"`{option}`\)?,? \(?{value}\b", PAGE), option
        assert re.search(rf"{option} .*?\[default:\s+{value}\b", help_text, re.DOTALL)
