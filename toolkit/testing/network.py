"""An environment without a network: every Python process started in it gets errors from sockets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Loaded by the interpreter as it starts, also in child processes.
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
        folder: for the file that blocks sockets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_BLOCK, encoding="utf-8")
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
