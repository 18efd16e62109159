"""What a model's folder may not bring along: code, kernels of the Hub, pickles, names of files.

Every folder that is loaded passes `require_inert`, be it given, found, or a run's own, and
`switch_off` is called before it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import Fault, ModelError
from toolkit.utils.text import listing

WEIGHTS = "*.safetensors"
PICKLES = ("pytorch_model*.bin", "adapter_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5",
           "*.msgpack")  # fmt: skip
SETTINGS = ("*config*.json", "special_tokens_map.json")
# Libraries overwrite these, or take them for a model of its own; or they are texts, not files.
_NO_FILES = re.compile(
    r"_?name_or_path|base_model_name_or_path|id2label|label2id|.*_tokens?|added_tokens_decoder|"
    r"chat_template|(?:tokenizer|special_tokens_map)_file"
)
_FILES = re.compile(r"\w+_(?:file|path|dir|folder|spm)")
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|file:")
_KERNEL = "an implementation from the Hub: code, which is never run"


def require_inert(folder: Path) -> None:
    """Refuse a model's folder that would bring in code or files from outside, before it is loaded.

    Raises:
        ModelError: each setting that names a kernel of the Hub or a file elsewhere; pickles that
            would be loaded in the place of safetensors.
    """
    faults = [Fault(str(file), what) for kind in SETTINGS for file in sorted(folder.rglob(kind))
              for what in _outside(_settings(file), file.parent)]  # fmt: skip
    faults += [Fault(str(file), "is a pickle that would be loaded, as there are no safetensors of "
                     "its name") for file in _loaded_pickles(folder)]  # fmt: skip
    if faults:
        raise ModelError(faults)


def switch_off() -> None:
    """Never run code that comes with a model, nor ask whether to.

    transformers asks on the terminal where `trust_remote_code` is not given; without time for an
    answer it raises ValueError at once. With the package `kernels` installed it replaces attention
    and layers by compiled code of the Hub, also where a config does not name it.
    """
    from transformers import dynamic_module_utils
    from transformers.integrations import hub_kernels

    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    hub_kernels._kernels_enabled = False
    vars(hub_kernels)["get_kernel_hub"] = _no_kernel


def _no_kernel(name: str, *_: Any, **__: Any) -> Any:
    raise ImportError(f"{name} is {_KERNEL}")


def _settings(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # reported when it is loaded


def _outside(value: Any, folder: Path, key: str = "") -> Iterator[str]:
    """Yield what is wrong with each text in settings that names code or a file elsewhere."""
    if isinstance(value, Mapping | list):
        inside = value.items() if isinstance(value, Mapping) else (("", v) for v in value)
        for name, inner in inside:
            if not _NO_FILES.fullmatch(str(name)):
                yield from _outside(inner, folder, f"{key}.{name}".lstrip("."))
    elif not isinstance(value, str):
        return
    elif "_implementation" in key:
        if "/" in value:
            yield f"{key} names {value!r}, {_KERNEL}. Take that key out"
    elif _leads_out(value, folder, key.rpartition(".")[2]):
        yield f"{key} names the file {value!r}, which is none of this folder. Take that key out"


def _leads_out(text: str, folder: Path, key: str) -> bool:
    """Return whether a text names what is there, but not in this folder."""
    if key in ("vocab", "merges"):  # a tokenizer opens a text in the place of tokens
        return True
    somewhere = _ABSOLUTE.match(text) or ".." in re.split(r"[/\\]", text) or _FILES.fullmatch(key)
    if not somewhere or not text.strip("/\\~.") or "\0" in text:
        return False
    path = Path(os.path.expanduser(text.removeprefix("file://")))
    try:
        there = [place for place in (path, folder / path) if os.path.lexists(place)]
        return any(not place.resolve().is_relative_to(folder.resolve()) for place in there)
    except (OSError, RuntimeError):  # a name that no file can have, a circle of links
        return True


def _loaded_pickles(folder: Path) -> Iterator[Path]:
    """Yield pickles that the libraries would load, as the weights beside have other names."""
    for kind in ("model", "adapter_model"):
        if not any((folder / f"{kind}.safetensors{end}").exists() for end in ("", ".index.json")):
            stem = "pytorch_model" if kind == "model" else kind
            yield from sorted(folder.glob(f"{stem}*.bin*"))


def pickles_only(model_id: str, names: list[str]) -> str:
    """Return the message on a model without safetensors; `names` are its files."""
    found = [name for name in names if any(Path(name).match(p) for p in PICKLES)]
    return (
        f"model {model_id!r} has no safetensors weights"
        + (f", only pickles ({listing(found, 4)}), which can run code when loaded" if found else "")
        + ". Convert them once where you trust them: load the model with transformers and call "
        "save_pretrained(FOLDER), then use --model FOLDER."
    )
