"""What ranks leave for the launcher that started them, and it for them: small files in a folder.

Sockets break when a rank dies; files are still there to say why.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolkit.errors import BatchSizeError, Fault, ToolkitError, UserError
from toolkit.utils import distributed
from toolkit.utils.files import write_atomically

VARIABLE = "TOOLKIT_LAUNCHER"
#: What torch says on a rank whose neighbour is gone: a consequence, never the cause.
LOST = re.compile(r"gloo|nccl|connection (closed|reset)|broken pipe|process ?group|SIGTERM", re.I)
OUTSIDE = {"SIGKILL", "SIGSEGV", "SIGBUS", "SIGILL", "SIGABRT"}


@dataclass(frozen=True)
class End:
    """Why a run ended: a message, the user's faults, smaller batches where memory was short."""

    text: str
    faults: Sequence[tuple[str, str]] = ()
    smaller: Mapping[str, Any] | None = None

    def error(self) -> ToolkitError:
        """Return it as the error that it was on the rank."""
        if self.faults:
            return UserError([Fault(where, what) for where, what in self.faults])
        return ToolkitError(self.text)


@dataclass(frozen=True)
class Mailbox:
    """The folder of one launch."""

    folder: Path

    def run_folder(self) -> Path | None:
        """Return the run's folder, once rank 0 has made it."""
        note = self.folder / "run"
        return Path(note.read_text(encoding="utf-8")) if note.exists() else None

    def reason(self, exit_codes: Mapping[int, int]) -> End:
        """Return the first cause: what a rank said, or the signal that ended one.

        Args:
            exit_codes: by rank, negative for signals; of the ranks that failed.
        """
        said = sorted(
            (json.loads(path.read_text(encoding="utf-8")) for path in self.folder.glob("rank-*")),
            key=lambda note: note["time"],
        )
        causes = [note for note in said if not note["lost"]]
        # Nobody sends SIGKILL to ranks in a failed run but the launcher, after it has asked here.
        # What others then say of a half-read message (EOFError, say) has as many names as readers.
        killed = [rank for rank, code in exit_codes.items() if code == -signal.SIGKILL]
        if killed and not any(note["faults"] or note["smaller"] for note in causes):
            return End(_killed(min(killed), -signal.SIGKILL))
        if causes:
            return End(causes[0]["text"], causes[0]["faults"], causes[0]["smaller"])
        for rank, code in sorted(exit_codes.items()):
            if code < 0 and signal.Signals(-code).name in OUTSIDE:
                return End(_killed(rank, code))
        if said:
            return End(
                "a process of the run on another machine has ended, and says there why; what was "
                f"seen of it here: {said[0]['text']}"
            )
        rank, code = next(iter(exit_codes.items()))
        return End(f"rank {rank} ended with exit code {code} and said nothing")

    def close(self, status: str, error: str) -> None:
        """Write into the run's folder how it ended: its own writer may be gone."""
        path = self.run_folder()
        if path is not None:
            from toolkit.runs.writer import RunWriter

            RunWriter.close(path, status=status, error=error)

    def start_again(self, smaller: Mapping[str, Any]) -> None:
        """Clear what the failed attempt said, and leave word of what has changed since."""
        notes = [*reductions(self.folder), {k: v for k, v in smaller.items() if k != "settings"}]
        for path in self.folder.iterdir():
            path.unlink()
        write_atomically(self.folder / "reduced", json.dumps(notes))


def reductions(folder: Path | None = None) -> list[dict[str, Any]]:
    """Return what earlier attempts of this run changed for want of memory."""
    found = folder or _folder()
    note = None if found is None else found / "reduced"
    return json.loads(note.read_text(encoding="utf-8")) if note and note.exists() else []


def has_launcher() -> bool:
    """Return whether `toolkit run` has started this process."""
    return _folder() is not None


def say_where(path: Path) -> None:
    """Tell the launcher of the run's folder."""
    folder = _folder()
    if folder is not None:
        write_atomically(folder / "run", str(path))


def speaks(error: BaseException) -> bool:
    """Return whether this process tells the user of its failure.

    Of several ranks one does; under `toolkit run` their launcher does, and finds here what to say.
    """
    if not distributed.launched():
        return True
    distributed.give_up()
    folder = _folder()
    if folder is None:
        return distributed.is_first_to_fail()
    text = str(error) if isinstance(error, ToolkitError) else f"{type(error).__name__}: {error}"
    write_atomically(folder / f"rank-{os.environ['RANK']}", note_of(text, time.time(), error))
    return False


def note_of(text: str, at: float, error: BaseException | None = None) -> str:
    """Return what a rank leaves for its launcher on how it failed, and when."""
    return json.dumps({
        "time": at,
        "text": text,
        "faults": [(f.where, f.what) for f in error.faults] if isinstance(error, UserError) else [],
        "lost": not isinstance(error, UserError | BatchSizeError) and bool(LOST.search(text)),
        "smaller": error.smaller if isinstance(error, BatchSizeError) else None,
    })  # fmt: skip


def _folder() -> Path | None:
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def _killed(rank: int, code: int) -> str:
    name = signal.Signals(-code).name
    why = "; that is what happens when memory runs out" if name == "SIGKILL" else ""
    return f"rank {rank} was ended from outside by {name}{why}"
