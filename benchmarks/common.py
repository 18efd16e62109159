"""What the benchmark scripts share: where the data lies, a timed child process, the JSON line."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def banking77() -> Path:
    """Return the folder of Banking77's csv files; end the script where it is absent."""
    folder = Path(os.environ.get("BANKING77", DATA / "banking77"))
    if not folder.is_dir():
        sys.exit(f"Banking77 is not at {folder}; set BANKING77 to the folder of its csv files")
    return folder


def banking77_rows(count: int) -> tuple[Any, Any, list[str]]:
    """Return up to so many shuffled training rows, the test rows, and the names of the classes."""
    import datasets

    folder = banking77()
    files = {name: str(folder / f"{name}.csv") for name in ("train", "test")}
    rows = datasets.load_dataset("csv", data_files=files)
    train = rows["train"].shuffle(seed=0)
    names = sorted(set(train["category"]))
    return train.select(range(min(count, len(train)))), rows["test"], names


def quiet() -> None:
    """Leave the JSON line alone on the terminal."""
    import datasets
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    datasets.disable_progress_bars()


def say(name: str, **figures: Any) -> None:
    """Print the one JSON line of a benchmark."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({"benchmark": name, "cores": os.cpu_count(),
                      "python": platform.python_version(), **rounded}))  # fmt: skip


def timed(command: list[str]) -> float:
    """Return the seconds that a child process takes, its output thrown away."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def peak_memory(command: list[str]) -> tuple[int, str]:
    """Return the peak resident memory in KiB of a child process (not its children), and stdout."""
    read, write = os.pipe()
    wrapper = (
        "import resource, runpy, sys, os\n"
        "sys.argv = sys.argv[2:]\n"
        "try: runpy.run_module('toolkit', run_name='__main__')\n"
        "finally: os.write(int(os.environ['PEAK_FD']), "
        "str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss).encode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", wrapper, "--", "toolkit", *command],
        pass_fds=[write],
        env={**os.environ, "PEAK_FD": str(write)},
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        peak = pipe.read()
    if done.returncode:
        sys.exit(done.stderr)
    return int(peak), done.stdout
