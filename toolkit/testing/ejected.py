"""What `toolkit eject` prints, run where nothing of toolkit is to be had, beside the run itself.

A plugin's tests call `assert_same` with a small recipe. As a script it runs one:
`python -m toolkit.testing.ejected SCRIPT FOLDER`.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toolkit.testing import killing

OURS = ("toolkit", "toolkit_plugins")


def assert_same(arguments: Sequence[str], folder: Path, tolerance: float = 0.0) -> str:
    """Print a recipe's script and run it, run the recipe, and compare; return the script.

    Args:
        arguments: of `toolkit run`, but for --out and --quiet. folder: where all of it goes.
        tolerance: of the weights; 0 wants the same bits.

    Raises:
        AssertionError: other weights, or scores, or a script that does not come to its end.
    """
    from toolkit.cli.main import outcome

    folder.mkdir(parents=True, exist_ok=True)
    script, alone, run = folder / "script.py", folder / "alone", folder / "run"
    assert outcome(["eject", *arguments, "-o", str(script)]) == 0
    done = process([str(script), str(alone)])
    assert done.returncode == 0, done.stderr[-2000:]
    assert killing.undisturbed([*arguments, "--quiet", "--out", str(run)]) == 0
    assert_same_end(alone, run, tolerance)
    return script.read_text(encoding="utf-8")


def assert_same_end(alone: Path, run: Path, tolerance: float = 0.0) -> None:
    """Compare weights and scores of what a script has left with those of a run's folder."""
    import torch
    from safetensors.torch import load_file

    files = sorted(path.name for path in (run / "model").glob("*.safetensors"))
    assert files, f"{run} holds no weights"
    assert files == sorted(path.name for path in alone.glob("*.safetensors"))
    for name in files:
        mine, theirs = load_file(alone / name), load_file(run / "model" / name)
        assert mine.keys() == theirs.keys(), f"{name}: other weights"
        far = [key for key in mine
               if not torch.allclose(mine[key], theirs[key], rtol=0, atol=tolerance)]  # fmt: skip
        assert not far, f"{name}: {far}"
    mine, theirs = (_settings(folder) for folder in (alone, run / "model"))
    assert mine == theirs, "config.json: another one"
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = json.loads((alone / "scores.json").read_text(encoding="utf-8"))
    test = record["metrics"]["test"]
    assert next(iter(found)) == next(iter(test)), "another headline"
    for name, value in found.items():
        assert abs(value - test[name]["value"]) < 1e-9 + tolerance, f"{name}: {value}"


def _settings(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return {name: value for name, value in found.items() if name != "_name_or_path"}


def process(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run this module as a script."""
    command = [sys.executable, "-m", "toolkit.testing.ejected", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Nothing:
    """Finds nothing of toolkit, wherever it is installed."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Say of every import of ours that there is no such module."""
        if name.partition(".")[0] in OURS:
            raise ModuleNotFoundError(f"a script that is ejected imports {name}", name=name)


def forget() -> None:
    """Take everything of toolkit out of this process, and let none be imported again."""
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.meta_path.insert(0, Nothing())


if __name__ == "__main__":
    forget()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
    assert not [name for name in sys.modules if name.partition(".")[0] in OURS]
