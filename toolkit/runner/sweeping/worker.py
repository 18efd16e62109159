"""The process that runs trials: `python -m toolkit.runner.sweeping.worker`.

It takes tasks as lines of JSON on stdin, and reports on stdout: {"begun"} and {"validation"}, which
are answered by {"goes_on"}, and {"ended"}. When stdin is closed, the sweep is gone, and it ends at
once: a trial that nobody hears would hold its folder.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toolkit.errors import BatchSizeError, DivergenceError, UserError, causes
from toolkit.recipe.draft import Draft
from toolkit.runner.prepare import import_libraries
from toolkit.runner.run import run
from toolkit.runner.sweeping.engine import Ended, Task, Watcher
from toolkit.runner.trial import Trial
from toolkit.training import memory
from toolkit.utils import garbage
from toolkit.utils.logging import quiet_libraries
from toolkit.utils.text import error_line


def do(task: Task, watcher: Watcher) -> Ended:
    """Run a trial in this process; return how it ended.

    Raises:
        KeyboardInterrupt: a signal came.
    """
    draft = Draft(task.name, dict(task.values), notes=list(task.notes))
    trial = None if task.whole else Trial(task.metric, watcher.goes_on, watcher.begun)
    try:
        done = run(draft, Path(task.folder), None, resume=True, trial=trial)
    except UserError as error:
        faults = [(fault.where, fault.what) for fault in error.faults]
        return Ended("failed", "refused", str(error), faults)
    except Exception as error:  # whatever a trial meets: the sweep goes on
        return Ended("failed", reason_of(error), _words(error))
    if done is None:
        return Ended("failed", "error", f"{task.folder} holds no run")
    return Ended(done.status)


def reason_of(error: BaseException) -> str:
    """Return whether a trial ran out of memory, diverged, or failed otherwise."""
    if any(isinstance(e, BatchSizeError) or memory.is_out(e) for e in causes(error)):
        return "memory"
    return "diverged" if isinstance(error, DivergenceError) else "error"


def _words(error: Exception) -> str:
    from toolkit.errors import ToolkitError

    return str(error) if isinstance(error, ToolkitError) else error_line(error)


class Line:
    """The sweep at the other end of the line."""

    def __init__(self, say: Callable[[Mapping[str, Any]], None], heard: queue.Queue[Any]) -> None:
        self._say, self._heard = say, heard

    def begun(self, about: Mapping[str, Any]) -> None:
        """Tell by what trials are compared."""
        self._say({"begun": about})
        self._heard.get()

    def goes_on(self, validation: Any) -> bool:
        """Tell a score; return what the sweep says."""
        self._say({"validation": asdict(validation)})
        return bool(self._heard.get()["goes_on"])


def main() -> None:
    """Take tasks until stdin is closed."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print goes to the log
    heard: queue.Queue[Any] = queue.Queue()
    threading.Thread(target=_listen, args=(heard,), daemon=True).start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def say(message: Mapping[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    try:
        with garbage.held():
            quiet_libraries()
            import_libraries()
        while True:
            say({"ended": asdict(do(Task(**heard.get()), Line(say, heard)))})
    except KeyboardInterrupt:
        say({"ended": asdict(Ended("interrupted"))})
        garbage.keep_to_the_end()


def _listen(heard: queue.Queue[Any]) -> None:
    for line in sys.stdin:
        heard.put(json.loads(line))
    os._exit(1)  # nobody is there to hear of it


if __name__ == "__main__":
    main()
