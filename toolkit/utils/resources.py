"""Resources used by a run: peak memory, and energy where the hardware reports it."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

POWER = Path("/sys/class/powercap")


def peak_memory() -> dict[str, int]:
    """Return the peak memory in bytes of this process, and of its accelerator if it has one.

    accelerator: in use by tensors. accelerator_with_cache: with what torch keeps to use it again,
    and what is too fragmented for that; CUDA's own context comes on top.
    """
    import torch

    found = {}
    if sys.platform != "win32":
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["process"] = int(most) * (1 if sys.platform == "darwin" else 1024)
    if torch.cuda.is_available():
        found["accelerator"] = int(torch.cuda.max_memory_allocated())
        found["accelerator_with_cache"] = int(torch.cuda.max_memory_reserved())
    return found


def matrix_peak() -> float:
    """Return FLOP/s of the best of several large matrix products, in bf16 or where faster fp32.

    They are computed on the GPU if there is one; a processor without bf16 of its own multiplies it
    a thousand times slower than fp32. 0 where memory does not suffice.
    """
    import torch

    try:
        return _matrix_peak()
    except torch.OutOfMemoryError:
        return 0.0


def _matrix_peak() -> float:
    import torch

    device, size = ("cuda", 8192) if torch.cuda.is_available() else ("cpu", 2048)
    work, best = 2 * size**3, 0.0
    for kind in (torch.float32, torch.bfloat16):
        a = torch.randn(size, size, dtype=kind, device=device)
        part = _seconds(a[:64], a)
        if best and size / 64 * part > 20 * work / best:
            continue
        best = max(best, *(work / _seconds(a, a) for _ in range(8)))
    return best


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    start = time.perf_counter()
    (a @ b)[0, 0].item()  # waits for it
    return time.perf_counter() - start


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
