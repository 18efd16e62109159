"""What the tests of the data door share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from toolkit.data import LoadedData, load_splits
from toolkit.plugin_types import Column
from toolkit.recipe.schema import DataSpec

COLUMNS = {"text": ("text", Column("input", "text")), "label": ("label", Column("target", "text"))}


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    """Converted files go to a folder that ends with the session."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("datasets")
    patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    yield
    patch.undo()


@pytest.fixture
def write(tmp_path):
    """Write a file below tmp_path (text as UTF-8, line ends as they are) and return its path."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


@pytest.fixture
def door():
    """Load a source through the data door, as the runner does for text classification."""

    def loaded(source: Any, columns: Any = COLUMNS, seed: int = 0, **spec: Any) -> LoadedData:
        source = str(source) if isinstance(source, Path) else source
        return load_splits(DataSpec(source=source, **spec), columns, seed)

    return loaded


@pytest.fixture
def rows():
    """csv text of `count` rows: text and label, two classes in turn."""

    def made(count: int = 20, header: str = "text,label") -> str:
        return f"{header}\n" + "".join(f"text {n},l{n % 2}\n" for n in range(count))

    return made
