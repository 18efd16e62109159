"""A finished run's model converted: ONNX, int8 ONNX, or plain weights."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

from toolkit.errors import UserError
from toolkit.runs.folder import Run
from toolkit.utils.logging import quiet_libraries, quiet_loggers
from toolkit.utils.text import listing

#: Form -> the module with its function, imported when needed: some import torch.
FORMS = {
    "merged": "toolkit.deployment.exporting.merged",
    "onnx": "toolkit.deployment.exporting.onnx_form",
    "int8": "toolkit.deployment.exporting.onnx_form",
}


def export(run: Run, form: str, out: Path | None = None) -> tuple[Path, str]:
    """Convert a run's model; return the folder and a summary.

    Args:
        form: a key of `FORMS`.
        out: a new or empty folder; RUN/<form> where not given.

    Raises:
        UserError: the run is not finished, or the folder is taken.
        ModelError: the base model of an adapter is not available.
        ToolkitError: the converted model does not predict as the run's model does.
    """
    if run.status != "finished":
        raise UserError(
            f"{run.path} is {run.status}: only a finished run's model has been verified, and can "
            "be exported"
        )
    folder = out or run.path / form
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else ["a file"]
        raise UserError(
            f"{folder} is not empty ({listing(held, 5)}); name a new or empty folder with -o"
        )
    partial = folder.with_name(f"{folder.name}.partial")
    if partial.is_symlink():  # do not write to its target
        raise UserError(f"{partial} is a link: remove it first")
    shutil.rmtree(partial, ignore_errors=True)
    quiet_loggers()
    quiet_libraries()
    try:
        done: str = getattr(importlib.import_module(FORMS[form]), form)(run, partial)
        if folder.is_dir():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder, done
