"""The command line that has started this process."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from toolkit.utils.text import printable_line


def command_line() -> str | None:
    """Return "toolkit run ..." as it was typed, tokens masked; None in another program."""
    program = Path(sys.argv[0])
    if program.stem != "toolkit" and program.parts[-2:] != ("toolkit", "__main__.py"):
        return None
    return printable_line(shlex.join(["toolkit", *sys.argv[1:]]))
