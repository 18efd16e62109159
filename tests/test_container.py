"""The Dockerfile, as far as it can be tried without Docker; CI lints it as well."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")


def test_the_page_names_every_build_argument_with_its_default():
    page = (ROOT / "docs" / "docker.md").read_text()
    arguments = dict(re.findall(r"^ARG (\w+)=?(.*)$", DOCKERFILE, re.M))
    assert set(arguments) == {"BASE", "SOURCE", "EXTRAS", "TORCH_INDEX"}
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| `?(.+?)`? \|", page, re.M))
    assert told == {name: value or "none" for name, value in arguments.items()}


def test_nothing_runs_as_root():
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER (\d+)$", last, re.M)[1] != "0"


@pytest.mark.parametrize(
    ("command", "healthy"),
    [("toolkit run a-recipe --out serve-me", True), ("toolkit serve runs/mine", False)],
)
def test_only_a_container_that_serves_has_to_answer(tmp_path, command, healthy):
    """Where nobody listens."""
    words = json.loads(re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.M)[1])
    line = tmp_path / "cmdline"
    line.write_bytes(b"".join(word.encode() + b"\0" for word in command.split()))
    words = [word.replace("/proc/1/cmdline", str(line)).replace(":8000", ":1") for word in words]
    done = subprocess.run(words, capture_output=True, check=False)
    assert (done.returncode == 0) is healthy
