"""Resources used by a run: peak memory, and energy where the hardware reports it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

POWER = Path("/sys/class/powercap")


def peak_memory() -> dict[str, int]:
    """Return the peak memory in bytes of this process, and of its accelerator if it has one."""
    import torch

    found = {}
    if sys.platform != "win32":
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["process"] = int(most) * (1 if sys.platform == "darwin" else 1024)
    if torch.cuda.is_available():
        found["accelerator"] = int(torch.cuda.max_memory_allocated())
    return found


class Energy:
    """Energy from now on, of the whole machine, not of this run alone.

    CPUs report it by RAPL (usually to root only), NVIDIA GPUs by NVML (with `pynvml` installed).
    """

    def __init__(self) -> None:
        self.before = dict(_counters())

    def spent(self) -> dict[str, float]:
        """Return part -> joules; empty where the hardware reports none."""
        found = {}
        for name, (value, limit) in _counters():
            if name in self.before:
                moved = value - self.before[name][0]
                found[name] = moved if moved >= 0 else moved + limit  # the counter wrapped
        return found


def _counters() -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield part -> its counter in joules, and the value at which it wraps."""
    for zone in sorted(POWER.glob("intel-rapl:[0-9]")):  # packages; their parts are nested
        with suppress(OSError, ValueError):
            values = [float((zone / name).read_text()) / 1e6
                      for name in ("energy_uj", "max_energy_range_uj")]  # fmt: skip
            yield f"processor {zone.name.partition(':')[2]}", (values[0], values[1])
    yield from _accelerators()


def _accelerators() -> Iterator[tuple[str, tuple[float, float]]]:
    import torch

    if not torch.cuda.is_available():
        return
    try:
        import pynvml
    except ImportError:
        return
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        for place in range(torch.cuda.device_count()):
            uuid = torch.cuda.get_device_properties(place).uuid
            handle: Any = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            joules = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
            yield f"accelerator {place}", (joules, 0.0)
