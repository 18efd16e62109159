"""No network, caches of their own, tiny real models made in code, and runs that tests share."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before any Hugging Face library reads them.
_CACHE = tempfile.mkdtemp(prefix="toolkit-tests-")
os.environ.update(HF_HOME=_CACHE, HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
os.environ.pop("HF_DATASETS_CACHE", None)
# Tests run side by side; two processes that each use all cores slow each other down many times.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# absl (of rouge_score and TensorBoard) keeps the stderr that it finds, and closes it when a server
# sets logging up: that of pytest's capture would be lost to all tests that follow.
with contextlib.suppress(ImportError), contextlib.redirect_stderr(sys.__stderr__):
    import absl.logging  # noqa: F401

import warnings  # noqa: E402 - see above

import budget  # noqa: E402
import finished as runs  # noqa: E402
import pytest  # noqa: E402
import warm  # noqa: E402
from filelock import FileLock  # noqa: E402
from installed import scenario  # noqa: E402, F401 - a fixture
from text_rows import csv_of, sentences, tiny_bert  # noqa: E402

from toolkit import Run  # noqa: E402
from toolkit.runs import verify  # noqa: E402
from toolkit.testing import interruptions  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    """Import the libraries, but not in the process that only deals tests out to others."""
    config.pluginmanager.register(budget)
    if not hasattr(config, "workerinput") and config.getoption("dist", "no") != "no":
        return
    # Some of these warn at import, of things that are theirs to mend; what they warn of when our
    # code calls them still fails a test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evaluate  # noqa: F401
        import transformers

        transformers.Trainer  # noqa: B018 - imported when first named
    gc.freeze()  # half a million objects of libraries, which no collection has to visit


@pytest.fixture(scope="session", autouse=True)
def forked_in_place_of_fresh() -> Iterator[None]:
    """Make runs to be killed, and load saved models again, in processes forked from a warm one.

    Importing the libraries is most of what those cost with tiny rows. Where a test has changed what
    libraries read at import, and in whatever runs in a process of its own, they are fresh ones, as
    for users.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "FreshProcess", warm.in_place_of_fresh(verify.FreshProcess))
        usual = warm.in_place_of(interruptions.process, interruptions.__name__)
        patch.setattr(interruptions, "process", usual)
        yield


@pytest.fixture(autouse=True)
def environment_stays() -> Iterator[None]:
    """Put back what a command set in the environment, which tests after it would inherit."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return a folder that is filled once for all workers: `shared(name, fill)`.

    Who comes second waits. Tests only read it; who must change something copies it first.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        path = base / "shared" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        done = path.with_name(f"{path.name}.done")
        with budget.shared(), FileLock(f"{path}.lock"):
            if not done.exists():
                shutil.rmtree(path, ignore_errors=True)  # of a fill that failed
                path.mkdir()
                fill(path)
                done.touch()
        return path

    return folder


@pytest.fixture(scope="session")
def tiny_model(shared) -> Path:
    """A BERT of two layers with random weights and a vocabulary written by hand."""
    return shared("tiny-bert", tiny_bert)


@pytest.fixture(scope="session")
def finished(shared) -> Callable[[str], Run]:
    """Return the finished run of a scenario, which all tests share: `finished(scenario)`."""

    def run(name: str) -> Run:
        made, _ = runs.RUNS[name]
        return Run(shared(name, lambda folder: runs.make(name, folder)) / made)

    return run


@pytest.fixture
def table(tmp_path) -> Path:
    """A csv of 160 learnable rows."""
    path = tmp_path / "things.csv"
    path.write_text(csv_of(sentences(160)), encoding="utf-8")
    return path


@pytest.fixture
def mounted(tmp_path) -> Iterator[Callable[[str], Path]]:
    """Return a function: options -> a folder on a file system of its own, in memory."""
    made, mounts = [], shutil.which("mount")

    def mount(options: str) -> Path:
        folder = tmp_path / f"mounted-{len(made)}"
        folder.mkdir()
        command = [mounts, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if mounts is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system needs root")
        made.append(folder)
        return folder

    yield mount
    for folder in made:
        subprocess.run([shutil.which("umount") or "umount", "-l", str(folder)], check=True)


@pytest.fixture
def hub(tmp_path, monkeypatch, socket_enabled) -> Iterator[Any]:
    """A Hub that ann may write to, as herself and for acme; huggingface_hub is told of it."""
    from hub_to_push import served

    yield from served(tmp_path / "hub", monkeypatch)
