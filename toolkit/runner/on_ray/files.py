"""Files that the nodes of a cluster do not see: through its object store, unpacked on each node."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError, Fault
from toolkit.utils.files import digest, write_atomically

MOST = 2 << 30  # bytes that go through the object store
HERE = "{toolkit:here}"  # in the texts of a bundle: where it is unpacked


@dataclass(frozen=True)
class Bundle:
    """Files by their names in a folder, and texts that name that folder."""

    name: str
    files: Mapping[str, bytes]
    texts: Mapping[str, str]


def pack(paths: Mapping[str, Path], texts: Mapping[str, str]) -> Bundle:
    """Read files, and all files of folders, into a bundle.

    Args:
        paths: name in the bundle -> file or folder. texts: name -> a text that may hold `HERE`.

    Raises:
        DataError: they are too large.
    """
    found = dict(item for name, path in paths.items() for item in _files(name, path))
    size = sum(path.stat().st_size for path in found.values())
    if size > MOST:
        what = f"{size / 2**30:.1f} GiB, which no node of the cluster sees: put them on a path "
        what += f"that all see, or on the Hub (up to {MOST >> 30} GiB are sent)"
        raise DataError(Fault(", ".join(map(str, paths.values())), what))
    total = hashlib.sha256()
    for name, path in sorted(found.items()):
        total.update(f"{name}\0{digest(path)}\0".encode())
    for name, text in sorted(texts.items()):
        total.update(f"{name}\0{text}\0".encode())
    return Bundle(total.hexdigest()[:32], {n: p.read_bytes() for n, p in found.items()}, texts)


def _files(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield name, path
    for file in sorted(path.rglob("*")) if path.is_dir() else ():
        if file.is_file():
            yield f"{name}/{file.relative_to(path).as_posix()}", file


def own_folder() -> Path:
    """Return a folder for temporary files on this machine that no other user can write to.

    Raises:
        PermissionError: another user has made it.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"toolkit-on-ray-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or (hasattr(os, "getuid") and folder.stat().st_uid != user):
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def unpack(bundle: Bundle) -> Path:
    """Write a bundle's files on this machine, once, and return their folder."""
    place = own_folder() / bundle.name
    if place.exists():
        return place
    aside = place.with_name(f".{bundle.name}.{secrets.token_hex(8)}")
    for name, content in bundle.files.items():
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).write_bytes(content)
    aside.mkdir(exist_ok=True)
    for name, text in bundle.texts.items():
        write_atomically(aside / name, text.replace(HERE, str(place)))
    try:
        os.replace(aside, place)
    except OSError:  # another worker of this machine was quicker
        shutil.rmtree(aside, ignore_errors=True)
        if not place.exists():
            raise
    return place
