"""A network that is not there: every Python that is started with it fails where it asks for one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Loaded by the interpreter as it starts, in the process and in those that it starts in turn.
_BLOCK = """
import socket


class Blocked(socket.socket):
    def connect(self, address):
        if self.family != socket.AF_UNIX:
            raise OSError(f"there is no network: asked for {address}")
        return super().connect(address)

    connect_ex = connect


def resolve(host, *args, **kwargs):
    raise OSError(f"there is no network: looked up {host}")


socket.socket, socket.getaddrinfo = Blocked, resolve
"""


def without(folder: Path) -> Mapping[str, str]:
    """Return the environment of processes without a network.

    Args:
        folder: where the file that takes it away is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_BLOCK, encoding="utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
