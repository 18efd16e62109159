"""How long something took, on a machine that may be busy with something else."""

from __future__ import annotations

import time

BUSY = 10  # times as long as alone something may take


class Stopwatch:
    """Seconds of work since it was made.

    They are those of this thread on its processor, which other processes do not lengthen, so that
    a busy machine explains as much as an idle one; or a tenth of all, where it waits for a device.
    """

    def __init__(self) -> None:
        self._work, self._all = time.thread_time(), time.monotonic()

    def seconds(self) -> float:
        """Return the seconds so far."""
        return max(time.thread_time() - self._work, (time.monotonic() - self._all) / BUSY)
