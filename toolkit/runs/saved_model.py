"""The files of a saved model by their digests, as run.json has them, compared before a load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from toolkit.errors import Fault, ModelError
from toolkit.models import adapters
from toolkit.models.find import WANTED
from toolkit.models.outside import PICKLES
from toolkit.utils.files import digest


def digests(folder: Path) -> dict[str, str]:
    """Return path within a model's folder -> SHA-256, of all that is loaded from there."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and _is_loaded(file))
    return {file.relative_to(folder).as_posix(): _digest(file) for file in files}


def require_unchanged(folder: Path, saved: Mapping[str, str]) -> None:
    """Refuse a saved model that is not what its run has saved and verified.

    Args:
        saved: as `digests` returned it; empty for runs of before, which are not compared.

    Raises:
        ModelError: each file that is missing, was changed, or has been added.
    """
    if not saved:
        return
    there = digests(folder)
    said = {
        **{name: "was changed since the run saved it" for name in saved
           if there.get(name, "") != saved[name]},
        **dict.fromkeys(saved.keys() - there.keys(), "is missing"),
        **dict.fromkeys(there.keys() - saved.keys(), "is none of the files that the run saved"),
    }  # fmt: skip
    if said:
        raise ModelError([Fault(str(folder / name), what) for name, what in sorted(said.items())])


def _digest(file: Path) -> str:
    """Return a file's digest; an adapter's config without where its base model is, which may move.

    That it is the same model is known by its weights.
    """
    if file.name != adapters.CONFIG:
        return digest(file)
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        rest = {key: values[key] for key in sorted(values) if key != "base_model_name_or_path"}
    except (ValueError, TypeError, RecursionError):  # no JSON object: nothing that was saved
        return digest(file)
    return hashlib.sha256(json.dumps(rest).encode()).hexdigest()


def _is_loaded(file: Path) -> bool:
    """Return whether a library might load it; README.md is for people, who may change it."""
    kinds = (*WANTED, *PICKLES)
    return not file.name.startswith((".", "README")) and any(map(file.match, kinds))
