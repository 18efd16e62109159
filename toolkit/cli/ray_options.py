"""The options of a Ray cluster, for the commands that compute on one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from toolkit.runner.on_ray.spec import RaySpec

#: Field of RaySpec -> the option that sets it.
OPTIONS = {
    "workers": "--workers", "cpus": "--cpus-per-worker", "gpus": "--gpus-per-worker",
    "restarts": "--restarts", "storage": "--storage",
}  # fmt: skip


def takes_ray(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a cluster; it gets them as `ray`, None without --on."""

    @click.option("--on", metavar="ray|ray://HOST:PORT",
                  help="Compute on a Ray cluster: RAY_ADDRESS's, or one started here.")  # fmt: skip
    @click.option("--workers", type=int, metavar="N",
                  help="Workers on the cluster; default: one per GPU, or one.")  # fmt: skip
    @click.option("--cpus-per-worker", "cpus", type=float, metavar="N",
                  help="Processors of each worker; default: its share.")  # fmt: skip
    @click.option("--gpus-per-worker", "gpus", type=float, metavar="N",
                  help="GPUs of each worker; default: 1 if there are any.")  # fmt: skip
    @click.option("--restarts", type=int, metavar="N",
                  help="How often lost workers are replaced (3).")  # fmt: skip
    @click.option("--storage", metavar="URL",
                  help="Where checkpoints go if nodes share no folder: path, s3://..")  # fmt: skip
    @functools.wraps(command)
    def with_ray(*arguments: Any, on: str | None, **named: Any) -> Any:
        given = {name: named.pop(name) for name in OPTIONS}
        return command(*arguments, ray=_spec(on, given), **named)

    return with_ray


def _spec(on: str | None, given: dict[str, Any]) -> RaySpec | None:
    from toolkit.runner.on_ray.spec import RaySpec

    asked = {name: value for name, value in given.items() if value is not None}
    if on is None:
        if asked:
            raise click.UsageError(f"{OPTIONS[next(iter(asked))]} is for --on ray")
        return None
    assert {*given} <= {field.name for field in fields(RaySpec)}  # noqa: S101 - of this file
    return RaySpec(on, **asked)
