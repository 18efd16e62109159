"""Failures from outside a run (a full disk, a killed worker), and of parts that it can lack."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.errors import CacheError, ToolkitError, causes
from toolkit.runs.folder import resume_command
from toolkit.runs.writer import RunWriter
from toolkit.utils.text import error_line

# Errors of native libraries keep these words, and lose the number.
WRITING = {
    errno.ENOSPC: r"No space left on device",
    errno.EDQUOT: r"Disk quota exceeded",
    errno.EFBIG: r"File too large",
    errno.EROFS: r"Read-only file system",
}
TORCH_WRITES = re.compile(
    r"PytorchStreamWriter failed|file write failed|unexpected pos \d+ vs|iostream error"
)
WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\)[^.]*")


@contextmanager
def optional(folder: RunWriter, part: str, name: str) -> Iterator[None]:
    """Record where a part fails that the run can do without, and go on.

    What comes from outside (an interruption, a full disk) still ends the run.
    """
    try:
        yield
    except Exception as error:  # whatever plugins, libraries and services raise
        if explain(error, folder.path) is not None:
            raise
        add_failed(folder, part, name, error_line(error))


def add_failed(folder: RunWriter, part: str, name: str, reason: str) -> None:
    """Add to `failed_parts` of run.json."""
    failed, new = folder.record["failed_parts"], {"part": part, "name": name, "reason": reason}
    if new not in failed:  # card and report may be written twice
        folder.write(failed_parts=[*failed, new])


def explain(error: BaseException, path: Path) -> ToolkitError | None:
    """Return what has ended the run in `path`; None where the error is of another kind."""
    if isinstance(error, CacheError):  # which is not in the run's folder
        return None
    messages = [(e, str(e)) for e in causes(error)]
    for number, text in WRITING.items():
        if any(getattr(e, "errno", None) == number or text in message for e, message in messages):
            return ToolkitError(
                f"{path} takes no more: {text[0].lower()}{text[1:]}. What was written is kept; "
                f"make room, then {resume_command(path)}"
            )
    if any(TORCH_WRITES.search(message) for _, message in messages):
        return ToolkitError(
            f"a checkpoint could not be written to {path}: is the disk full, or a quota reached? "
            f"What was written before is kept; make room, then {resume_command(path)}"
        )
    ended = next((found for _, message in messages if (found := WORKER.search(message))), None)
    if ended:
        return ToolkitError(
            f"a process that prepares rows has ended ({ended[0]}): killed from outside, or for "
            "want of memory (then try training.dataloader_num_workers=0 in a new run); "
            f"{resume_command(path)}"
        )
    return None
