"""The documentation as a site: built strictly from a copy, without other hosts, and searchable."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from walkthrough import ROOT

pytest.importorskip("material", reason="extra `docs` is not installed")

#: What people type, and the page that answers.
SEARCHES = {
    "hyperparameters": "choose-settings/",
    "imbalance": "imbalanced-data/",
    "class weights": "imbalanced-data/",
    "quantization": "export/",
    "mixed precision": "choose-settings/",
    "out of memory": "choose-settings/",
    "gradient accumulation": "choose-settings/",
    "early stopping": "choose-settings/",
    "multi-label": "text-classification/",
    "licence": "choose-a-model/",
    "docker": "docker/",
    "explanations": "explanations/",
    "evaluate": "evaluate/",
    "shell completion": "completion/",
    "gpu": "devices/",
    "lora": "methods/",
    "confidence intervals": "intervals/",
    "mlflow": "trackers/",
    "rest api": "serve/",
    "onnx": "export/",
}
FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?(\w+:)?//")


def files(folder):
    return {p.relative_to(folder) for p in folder.rglob("*") if "__pycache__" not in p.parts}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site from a copy of the pages; return its folder and what the build printed."""
    copy, built = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("site")
    for name in ("docs", "benchmarks", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "mkdocs.yml"):
        shutil.copy(ROOT / name, copy)
    before = files(copy)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(built)],
        cwd=copy, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert files(copy) == before
    return built, done.stdout + done.stderr


def test_the_strict_build_prints_nothing(site):
    assert site[1] == ""


def test_pages_load_nothing_from_other_hosts(site):
    pages = list(site[0].rglob("*.html"))
    assert len(pages) > 30
    assert [page for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))] == []
    assert not [path for path in site[0].rglob("*.py*") if path.is_file()]


def test_the_first_page_is_the_readme(site):
    first = (site[0] / "index.html").read_text(encoding="utf-8")
    assert "toolkit predict my-run new.csv" in re.sub(r"<[^>]+>", "", first)


@pytest.mark.parametrize("words", SEARCHES)
def test_words_that_people_use_are_found_in_titles(words, site):
    index = json.loads((site[0] / "search" / "search_index.json").read_text(encoding="utf-8"))
    separator = re.compile(index["config"]["separator"])

    def has_all(title):
        there = separator.split(title.lower())
        return all(any(one.startswith(w) for one in there) for w in separator.split(words))

    places = [one["location"] for one in index["docs"] if has_all(one["title"])]
    assert [place for place in places if place.startswith(SEARCHES[words])], places
