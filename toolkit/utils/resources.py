"""Resources used by a run: peak memory, and energy where the hardware reports it."""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from pathlib import Path

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
        self.before = _counters()

    def spent(self) -> dict[str, float]:
        """Return part -> joules; empty where the hardware reports none."""
        counters = _counters()
        return {name: (counters[name][0] - value) % most  # the counter may have wrapped
                for name, (value, most) in self.before.items() if name in counters}  # fmt: skip


def _counters() -> dict[str, tuple[float, float]]:
    """Return part -> its counter in joules, and the value at which it wraps."""
    found = {}
    for zone in sorted(POWER.glob("intel-rapl:[0-9]")):  # packages; their parts are nested
        with suppress(OSError, ValueError):
            used, most = (float((zone / name).read_text()) / 1e6
                          for name in ("energy_uj", "max_energy_range_uj"))  # fmt: skip
            found[f"processor {zone.name.partition(':')[2]}"] = used, most
    import torch

    with suppress(ImportError):
        import pynvml

        with suppress(pynvml.NVMLError):
            pynvml.nvmlInit()
            for place in range(torch.cuda.device_count()):
                uuid = torch.cuda.get_device_properties(place).uuid
                handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
                joules = pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000
                found[f"accelerator {place}"] = joules, math.inf
    return found
