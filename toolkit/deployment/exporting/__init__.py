"""A finished run's model converted: ONNX, int8 ONNX, or plain weights."""

from __future__ import annotations

import tempfile
from pathlib import Path

from toolkit.errors import UserError
from toolkit.runs.folder import Run
from toolkit.utils.files import settle
from toolkit.utils.logging import quiet_libraries, quiet_loggers
from toolkit.utils.text import listing


def export(run: Run, form: str, out: Path | None = None) -> tuple[Path, str]:
    """Convert a run's model; return the folder and a summary.

    Args:
        form: "merged", "onnx" or "int8".
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
    held = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else ["a file"]
    if folder.exists() and held:
        raise UserError(
            f"{folder} is not empty ({listing(held, 5)}); name a new or empty folder with -o"
        )
    quiet_loggers()
    quiet_libraries()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as made:
            partial = Path(made, form)
            if form == "merged":
                from toolkit.deployment.exporting.merged import merged

                done = merged(run, partial)
            else:
                from toolkit.deployment.exporting import onnx_form

                done = onnx_form.write(run, partial, form)
            settle(partial)
            if folder.is_dir():
                folder.rmdir()
            partial.rename(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror or error}") from None
    return folder, done
