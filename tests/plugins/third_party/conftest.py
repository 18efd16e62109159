"""Packages as pip leaves them: a folder on the path with modules and their metadata."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest


class Site:
    """A folder of installed distributions, seen by this process and by those that it starts."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        patch.syspath_prepend(folder)
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))

    def add(
        self,
        distribution: str,
        groups: Mapping[str, Mapping[str, str]],
        files: Mapping[str, str],
        requires: Sequence[str] = (),
    ) -> Path:
        """Install version 1.0 of a distribution; return the folder of its metadata.

        Args:
            groups: entry-point group -> name -> target.
            files: path below the site -> content.
        """
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
        text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n{needs}"
        (info / "METADATA").write_text(text)
        blocks = (
            f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
            for group, points in groups.items()
        )
        (info / "entry_points.txt").write_text("\n".join(blocks))
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        importlib.invalidate_caches()
        return info

    def forget(self) -> None:
        """Take what was imported from here out of this process."""
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "") or "").startswith(str(self.folder)):
                del sys.modules[name]


def made(folder: Path) -> Iterator[Site]:
    """Yield a site that is gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        found = Site(folder, patch)
        try:
            yield found
        finally:
            found.forget()
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    """A site of this test alone."""
    yield from made(tmp_path / "site")


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory) -> Iterator[Site]:
    """A site of all tests of a file."""
    yield from made(tmp_path_factory.mktemp("shared") / "site")
