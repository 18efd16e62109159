"""`toolkit list` with 50 plugins of strangers installed against none of them.

    python benchmarks/plugin_listing.py

Goal: under 2x.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import say

RUNS = 15
PLUGINS = 50
RECIPE = """# toolkit run {name}
scenario: {name}
description: The default recipe of {name}.
model: owner/model
data: {{source: rows.csv}}
"""


def install(site: Path, number: int) -> None:
    """Leave a package with a plugin and a recipe as pip leaves one."""
    name, module = f"stranger-{number:02}", f"stranger_{number:02}"
    shelf, info = site / module / "recipes" / name, site / f"{module}-1.0.dist-info"
    for folder in (shelf, info):
        folder.mkdir(parents=True)
    (site / module / "__init__.py").write_text("raise ImportError('listing must not import')\n")
    (shelf / "default.yaml").write_text(RECIPE.format(name=name))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[toolkit.plugins]\n{name} = {module}:Scenario\n")
    (info / "RECORD").write_text("")


def listed(paths: str | None) -> tuple[float, str]:
    """Return the seconds of one `toolkit list`, and what it says."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if paths is not None:
        environment["PYTHONPATH"] = paths
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", "list"],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return time.perf_counter() - start, done.stdout


with tempfile.TemporaryDirectory() as folder:
    for number in range(PLUGINS):
        install(Path(folder), number)
    before = os.environ.get("PYTHONPATH")
    paths = {"none": before, "many": os.pathsep.join(filter(None, [folder, before]))}
    seconds: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(RUNS):  # interleaved, so that a slow moment of the machine hits both alike
        for name, path in paths.items():
            taken, said = listed(path)
            seconds[name].append(taken)
            assert said.count("(from stranger-") == (2 * PLUGINS if name == "many" else 0)
best = {name: statistics.median(times) for name, times in seconds.items()}
say(
    "plugin_listing",
    ratio=best["many"] / best["none"],
    goal=2,
    plugins=PLUGINS,
    seconds_none=best["none"],
    seconds_many=best["many"],
)
