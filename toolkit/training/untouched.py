"""Steps on trial: they leave gradients, buffers and random numbers as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put back the gradients and buffers of a model, and the state of all random generators."""
    gradients = [(p, p.grad, None if p.grad is None else p.grad.clone())
                 for p in model.parameters()]  # fmt: skip
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with same_random(next(model.parameters()).device):
            yield
    finally:
        with torch.no_grad():
            for parameter, gradient, values in gradients:
                parameter.grad = gradient
                if gradient is not None:
                    gradient.copy_(values)
            for buffer, values in buffers:
                if not torch.equal(buffer, values):  # an expanded one cannot be written to
                    buffer.copy_(values)


@contextmanager
def same_random(device: torch.device) -> Iterator[None]:
    """Put back the state of all random generators, those of the device as well."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[] if device.type == "cpu" else [device]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def host_random(device: torch.device) -> tuple[Any, ...]:
    """Return the state of the random generators that do not belong to the device."""
    numpy: Any = np.random.get_state()
    torch_ = None if device.type == "cpu" else torch.get_rng_state().numpy().tobytes()
    return random.getstate(), numpy[1].tobytes(), numpy[2], torch_
