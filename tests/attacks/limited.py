"""Run a function with little memory, so that whoever takes more fails instead of being killed."""

from __future__ import annotations

import os
import resource
import sys
import traceback
from collections.abc import Callable
from pathlib import Path


def within(megabytes: int, function: Callable[[], object]) -> None:
    """Run in a fork that may take so much more memory than this process has; assert success."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + megabytes * 1_000_000
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            function()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"it takes more than {megabytes} MB, or fails"
