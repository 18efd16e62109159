"""Versions and hardware of this machine."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from importlib.metadata import version
from typing import Any

from toolkit.utils.packages import __version__

#: Packages whose versions, beside our own, can change the result of a run.
PACKAGES = (
    "torch", "transformers", "datasets", "accelerate", "peft", "evaluate",
    "scikit-learn", "tokenizers", "numpy", "pyarrow", "safetensors",
)  # fmt: skip
#: The variable in which a cluster's launcher tells ranks of it, as JSON.
CLUSTER = "TOOLKIT_CLUSTER"


def describe() -> dict[str, Any]:
    """Return the block `environment` of run.json; `cluster` where a launcher has told of one."""
    found = {"python": platform.python_version(), "packages": packages(), "hardware": hardware()}
    return found | ({"cluster": json.loads(os.environ[CLUSTER])} if CLUSTER in os.environ else {})


def packages() -> dict[str, str]:
    """Return the versions of the toolkit and of `PACKAGES`."""
    return {"toolkit": __version__, **{name: version(name) for name in PACKAGES}}


def hardware() -> dict[str, Any]:
    """Return processor, cores, memory in GiB, accelerators, and whether bf16 is supported."""
    import psutil
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "accelerators": [
            torch.cuda.get_device_name(place) for place in range(torch.cuda.device_count())
        ],
        "bf16": bf16_supported(),
    }


def device_count(*, on_cpu: bool = False) -> int:
    """Return how many accelerators a run uses, one per process; 0 without any, or `on_cpu`."""
    import torch

    return 0 if on_cpu or not torch.accelerator.is_available() else torch.accelerator.device_count()


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str:
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(key):
                return line.partition(":")[2].strip()
    return ""


def mkl_lacks_avx512() -> bool:
    """Return whether the processor has AVX512, but MKL does not use it: it does on Intel's."""
    import torch

    vendor = _cpuinfo("vendor_id") or platform.processor()  # Windows has it in the latter
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return wide and "AuthenticAMD" in vendor and bool(torch._C.has_mkl and torch._C._has_mkldnn)


def bf16_supported(*, on_cpu: bool = False) -> bool:
    """Return whether the device computes in bf16 (GPUs since Ampere, CPUs with AVX512-BF16/AMX).

    on_cpu: ask about the CPU even if there is a GPU.
    """
    import torch

    if not on_cpu and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if not on_cpu and torch.backends.mps.is_available():
        return False
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
