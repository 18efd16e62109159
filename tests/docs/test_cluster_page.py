"""The examples for Kubernetes and SLURM have the form that those take."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import yaml

from toolkit.cli.main import cli

EXAMPLES = Path(__file__).parents[2] / "docs" / "cluster"
SCRIPTS = sorted(EXAMPLES.glob("*.sbatch"))
BASH, SHELLCHECK = (shutil.which(name) or "" for name in ("bash", "shellcheck"))


def test_the_rayjob_is_one():
    job = yaml.safe_load((EXAMPLES / "rayjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert {*spec} == {"entrypoint", "shutdownAfterJobFinishes", "backoffLimit", "runtimeEnvYAML",
                       "rayClusterSpec"}  # fmt: skip
    assert "env_vars" in yaml.safe_load(spec["runtimeEnvYAML"])
    cluster = spec["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            limits = container["resources"]["limits"]
            assert limits == container["resources"]["requests"]
    workers = cluster["workerGroupSpecs"][0]
    assert workers["minReplicas"] == workers["replicas"] == workers["maxReplicas"]
    require_options(shlex.split(spec["entrypoint"]))


def require_options(words):
    """The command of an example has options that there are."""
    assert words[:2] == ["toolkit", "run"]
    command = cli.get_command(click.Context(cli), "run")
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one(path):
    subprocess.run([BASH, "-n", str(path)], check=True)
    text = path.read_text()
    header = re.findall(r"^#SBATCH --[a-z-]+=?\S*$", text, flags=re.M)
    assert len(header) == text.count("#SBATCH") >= 7
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    words = re.search(r"toolkit run [^;]*?(?=['\"]? *\\?\n *toolkit|\Z)", code, flags=re.S)[0]
    require_options(["toolkit", "run", *re.findall(r"(?<!\S)--[a-z-]+", words)])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.skipif(not SHELLCHECK, reason="there is no shellcheck")
def test_shellcheck_finds_nothing(path):
    subprocess.run([SHELLCHECK, str(path)], check=True)
