"""From a model id to a folder that `from_pretrained` takes: folder, cache, offline mirror, Hub.

Only safetensors weights are taken. A mirror is an entry point of the group `toolkit.models`: its
name is the Hub id, its object a function that returns a `Mirror`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

from toolkit import registry
from toolkit.data.known_inputs import FILE as KNOWN_INPUTS
from toolkit.errors import Fault, ModelError, PluginError
from toolkit.models.outside import WEIGHTS, pickles_only, require_inert
from toolkit.utils.files import digest
from toolkit.utils.packages import extra
from toolkit.utils.text import listing, nearest

GROUP = "toolkit.models"
ADAPTER = "adapter_config.json"
# What a model folder needs; everything else (pickles, other frameworks' weights, code) stays away.
WANTED = [WEIGHTS, "*.json", "*.txt", "*.model", "*.tiktoken", "*.jinja", "README.md",
          KNOWN_INPUTS]  # fmt: skip


@dataclass(frozen=True)
class Mirror:
    """A folder that holds a Hub model, and the sha256 of its weight files by name."""

    folder: Path
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class ModelFiles:
    """A model found: its folder, the id asked for, and the revision that was taken.

    revision: the Hub's commit, or "sha256:..." over the weights where there is no commit.
    source: folder, cache, mirror, hub, or "config" (no weights: the model is made from scratch).
    """

    path: Path
    id: str
    revision: str
    source: str


#: What to do where no place has a model.
GIVE_ANOTHER = (
    "With a network, run it again; without one, give the folder of a saved model "
    "(--model FOLDER), or install the model that the default recipes use: "
    f"{extra('starter')}."
)


class _NotHereError(Exception):
    """Why a place does not have the model."""


def find_model(
    model_id: str, revision: str | None = None, advice: str = GIVE_ANOTHER
) -> ModelFiles:
    """Return the files of a model from the first place that has them.

    Places, in order: a folder of that path; the local cache of the Hub; an installed offline
    mirror (its checksums are verified); the Hub, at the commit that `revision` names now.

    Args:
        advice: the end of the message where no place has it.

    Raises:
        ModelError: no place has it (with the reason of each), weights are pickles only or those of
            an adapter, a mirror's are not those it promises, or settings name code or files from
            outside.
    """
    reasons = []
    for place in (_folder, _cache, _mirror, _hub):
        try:
            found = place(model_id, revision)
        except _NotHereError as reason:
            reasons.append(f"  - {reason}")
            if isinstance(reason.__cause__, ValueError):  # no model id: no other place can have it
                break
        else:
            require_inert(found.path)
            return found
    mirrors = registry.points(GROUP)
    known = "" if model_id in mirrors else nearest(model_id, mirrors)
    lines = "\n".join(reasons)
    raise ModelError(f"model {model_id!r} cannot be had.{known} Tried:\n{lines}\n{advice}")


def _folder(model_id: str, revision: str | None) -> ModelFiles:
    path = Path(os.path.expanduser(model_id))
    try:
        there = path.is_dir()
    except (OSError, ValueError):  # no file's name can be as long, or hold a NUL
        there = False
    if not there:
        raise _NotHereError(f"folder: {path} does not exist")
    held = sorted(path.iterdir())
    odd = [item for item in held if any(map(item.match, WANTED)) and not item.is_file()]
    if odd:
        raise ModelError([Fault(str(item), "is no file, or a link to nothing") for item in odd])
    _require_no_adapter(path, [item.name for item in held])
    if not (path / "config.json").is_file():
        names = listing([item.name for item in held], 8)
        inner = f". Did you mean {path / 'model'}?" if (path / "model").is_dir() else ""
        what = f"is no model folder: config.json is missing (it holds {names}){inner}"
        raise ModelError(f"{path} {what}")
    if lacking := _lacking(path):
        raise ModelError(f"{path} is no whole model: its index names {listing(lacking, 4)} besides")
    return ModelFiles(path.resolve(), model_id, f"sha256:{weights_digest(path)}", "folder")


def _cache(model_id: str, revision: str | None) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        path = Path(snapshot_download(model_id, revision=revision, local_files_only=True,
                                      allow_patterns=WANTED))  # fmt: skip
    except LocalEntryNotFoundError:
        raise _NotHereError("cache: not downloaded before") from None
    except HFValidationError as error:
        raise _NotHereError("cache and Hub: not a model id (owner/name)") from error
    _require_no_adapter(model_id, [item.name for item in path.iterdir()])
    # A cached config alone (from an earlier look) is no model.
    weights = [item for item in path.glob(WEIGHTS) if item.is_file()]
    if not weights or not (path / "config.json").is_file() or _lacking(path):
        raise _NotHereError(f"cache: {path} holds no complete safetensors model")
    return ModelFiles(path, model_id, path.name, "cache")


def _require_no_adapter(model: object, names: Collection[str]) -> None:
    """Raise ModelError where the files of a model are those of an adapter for another one."""
    if ADAPTER in names and not any(Path(name).match("model*.safetensors") for name in names):
        raise ModelError(
            f"{model} is an adapter, not a whole model: it holds {ADAPTER} and no weights of its "
            "base. Merge it first and go on from that: toolkit export RUN --merge -o FOLDER, then "
            "--model FOLDER (without toolkit: peft's merge_and_unload, then save_pretrained)."
        )


def _lacking(folder: Path) -> list[str]:
    """Return the weight files that the index of a sharded model names and that are missing."""
    found: set[str] = set()
    for index in folder.glob("*.safetensors.index.json"):
        try:
            named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            named = [index.name]
        found |= {str(name) for name in named}
    # A name with a path in it leads out of the folder that was looked into.
    there = {item.name for item in folder.glob(WEIGHTS) if item.is_file()}
    return sorted(found - there)


def _mirror(model_id: str, revision: str | None) -> ModelFiles:
    if model_id not in registry.points(GROUP):
        raise _NotHereError("mirror: no installed package brings it")
    point = registry.resolve(GROUP, model_id)
    try:
        mirror = _load_mirror(point, point.value)
    except (ImportError, PluginError) as error:
        raise _NotHereError(f"mirror: {error}") from None
    if revision is not None:
        raise _NotHereError(f"mirror: has no revision {revision!r}, only its own")
    where = f"the mirror of {model_id!r} at {mirror.folder}"
    unknown = sorted({p.name for p in mirror.folder.glob(WEIGHTS)} - set(mirror.sha256))
    if unknown or not mirror.sha256:
        raise ModelError(
            f"{where} gives no sha256 for {listing(unknown or ['any file'])}: what is not verified "
            "is not loaded."
        )
    for name, expected in mirror.sha256.items():
        file = mirror.folder / name
        found = digest(file) if file.is_file() else "missing"
        if found != expected:
            raise ModelError(
                f"{where} is not what it promises: sha256 of {name} is {found}, expected "
                f"{expected}. Reinstall the package."
            )
    return ModelFiles(mirror.folder, model_id, f"sha256:{weights_digest(mirror.folder)}", "mirror")


def _load_mirror(point: EntryPoint, what: str) -> Mirror:
    try:
        mirror = point.load()()
    except ImportError:  # what it depends on is not installed
        raise
    except (Exception, SystemExit) as error:  # whatever third-party code raises
        raise PluginError(f"{what} fails: {type(error).__name__}: {error}") from error
    if not isinstance(mirror, Mirror):
        raise PluginError(f"{what} returns no toolkit.models.Mirror: {mirror!r}")
    return mirror


def describe_mirror(entry: registry.Entry) -> str:
    """Return where the mirror of a model is, or that what it depends on is not installed.

    Raises:
        PluginError: it fails, or another package brings one of its name.
    """
    try:
        mirror = _load_mirror(registry.resolve(GROUP, entry.name), registry.describe(GROUP, entry))
    except ImportError as error:
        return f"mirror: not installed ({error})"
    return f"mirror: {mirror.folder}"


def _hub(model_id: str, revision: str | None) -> ModelFiles:
    from huggingface_hub import HfApi, constants, snapshot_download

    if constants.is_offline_mode():
        raise _NotHereError("Hub: HF_HUB_OFFLINE is set")
    try:
        info = HfApi().model_info(model_id, revision=revision, timeout=10)
        names = [item.rfilename for item in info.siblings or []]
        _require_no_adapter(model_id, names)
        # At the top: that is where from_pretrained looks.
        if not any("/" not in name and Path(name).match(WEIGHTS) for name in names):
            raise ModelError(pickles_only(model_id, names))
        # By the name asked for, not by the commit: so the cache knows it by that name, too.
        path = Path(snapshot_download(model_id, revision=revision, allow_patterns=WANTED))
    except ModelError:
        raise
    except Exception as error:  # httpx, Hub and file errors have no common base
        what = next(iter(str(error).splitlines()), "")
        raise _NotHereError(f"Hub: {type(error).__name__}: {what}") from None
    return ModelFiles(path, model_id, path.name, "hub")


def weights_digest(folder: Path) -> str:
    """Return the sha256 over the safetensors files of a folder, in the order of their names.

    Raises:
        ModelError: there are none.
    """
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise ModelError(pickles_only(str(folder), os.listdir(folder)))
    if len(files) == 1:
        return digest(files[0])
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()
