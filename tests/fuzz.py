"""Throw what coverage finds interesting at every door: python tests/fuzz.py [SECONDS] [DOOR...].

Needs atheris (`pip install 'finetune-toolkit[fuzz]'`). Prints one JSON line: executions by door,
and crashes with the files that repeat them (`python tests/fuzz.py --repeat DOOR FILE` shows one).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOORS = ("recipe", "overrides", "csv", "json", "run")
SLOWEST = 20  # seconds that one input may take
STARTED = 60  # seconds that imports and the first inputs may take besides


def door_of(name: str):
    """Return a door by its name."""
    import doors

    tables = {"csv": ".csv", "json": ".jsonl"}
    return doors.table(tables[name]) if name in tables else getattr(doors, name)


def seeds(name: str) -> list[bytes]:
    """Return inputs to begin with: good ones, and those of the corpus of bad inputs."""
    from bad_inputs import recipes, run_folders, tables
    from bad_inputs.case import GOOD, good_rows, jsonl

    suffixes = {"recipe": ".yaml", "csv": ".csv", "json": ".jsonl", "run": "run.json"}
    cases = [*recipes.CASES, *tables.CASES, *run_folders.CASES]
    found = [
        content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        for case in cases
        for file, content in case.files.items()
        if not callable(content) and file.endswith(suffixes.get(name, "-"))
    ]
    if name == "overrides":
        found = [b"seed=1", b"options.text=a\ndata.split.test=0.3", b"method.name=lora\nmodel=a/b"]
    good = {"csv": GOOD, "json": jsonl(good_rows()), "run": run_folders.record()}.get(name, "")
    return [item for item in (good.encode(), *found) if len(item) < 4000]


def fuzz(name: str, work: Path, seconds: int) -> None:
    """Fuzz one door in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["toolkit", "yaml", "doors"]):
        door = prepared(name, work)

    def once(data: bytes) -> None:
        attempt(door, data, work)

    options = [f"-max_total_time={seconds}", f"-timeout={SLOWEST}", "-max_len=4096",
               "-rss_limit_mb=6000", f"-artifact_prefix={work}/found/", "-print_final_stats=1",
               "-verbosity=0"]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(work / "seeds")], once)
    atheris.Fuzz()


def prepared(name: str, work: Path):
    """Return a door with its libraries imported, quiet, and their cache in the work folder."""
    import datasets

    from toolkit.runner.prepare import import_libraries
    from toolkit.utils.logging import quiet_libraries

    import_libraries()
    quiet_libraries()
    datasets.config.HF_DATASETS_CACHE = work / "cache"
    (work / "outer" / "here").mkdir(parents=True, exist_ok=True)
    os.chdir(work / "outer" / "here")
    return door_of(name)


def attempt(door, data: bytes, work: Path) -> None:
    """Send one input through a door; raise AssertionError where it writes what it should not."""
    import doors

    folder = Path(tempfile.mkdtemp(dir=work))
    try:
        door(data, folder)
        elsewhere = doors.everything(work / "outer") - {"here"}
        assert not elsewhere, f"written outside: {elsewhere}"
        assert len(doors.everything(folder)) <= 1, f"written: {doors.everything(folder)}"
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(work / "cache", ignore_errors=True)


def child(name: str, work: Path, seconds: int) -> tuple[int, bool]:
    """Fuzz a door in a process of its own; return the executions, and whether it ended well."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1",
                   "HF_HOME": str(work / "home")}  # fmt: skip
    words = [sys.executable, __file__, "--child", name, str(work), str(seconds)]
    try:
        done = subprocess.run(
            words, capture_output=True, check=False, env=environment,
            timeout=seconds + STARTED + SLOWEST,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        (work / "found" / "hang").write_text("the process did not end")
        return 0, False
    said = done.stderr.decode("utf-8", "replace")
    count = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    if done.returncode:
        sys.stderr.write(said[-4000:])
    if count is None and not done.returncode:
        raise SystemExit(said[-4000:])
    return int(count[1]) if count else 0, done.returncode == 0


def main(seconds: int, names: tuple[str, ...]) -> int:
    """Fuzz the doors one after the other; return how many crashes there were."""
    executions, crashes = {}, []
    for name in names:
        work = Path(tempfile.mkdtemp(prefix=f"toolkit-fuzz-{name}-"))
        for folder in ("seeds", "found"):
            (work / folder).mkdir()
        for number, seed in enumerate(seeds(name)):
            (work / "seeds" / str(number)).write_bytes(seed)
        executions[name], end = 0, time.monotonic() + seconds / len(names)
        while (left := round(end - time.monotonic())) > 0:  # a crash ends the process, not the hunt
            count, well = child(name, work, left)
            executions[name] += count
            if not well and len(list((work / "found").iterdir())) > 20:
                break
        crashes += [str(path) for path in sorted((work / "found").iterdir())]
        if not list((work / "found").iterdir()):
            shutil.rmtree(work)
    line = {"fuzz": "doors", "seconds": seconds, "executions": sum(executions.values()),
            "by_door": executions, "crashes": len(crashes), "files": crashes}  # fmt: skip
    print(json.dumps(line))  # noqa: T201 - the one line that is asked for
    return len(crashes)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["--repeat"]:
        place = Path(tempfile.mkdtemp())
        attempt(prepared(sys.argv[2], place), Path(sys.argv[3]).resolve().read_bytes(), place)
    else:
        given = int(sys.argv[1]) if len(sys.argv) > 1 else 300
        sys.exit(bool(main(given, tuple(sys.argv[2:]) or DOORS)))
