"""An adapter's folder: saved so that peft and transformers can load it, loaded, merged."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from toolkit.errors import ModelError
from toolkit.models import find
from toolkit.models.auto import auto_class_of, loading
from toolkit.models.find import ModelFiles, find_model
from toolkit.models.method import Method

CONFIG = find.ADAPTER


def is_adapter(model: Any) -> bool:
    """Return whether a model is wrapped by peft."""
    return hasattr(model, "peft_config") and hasattr(model, "get_base_model")


def inner(model: Any) -> Any:
    """Return the transformers model: the one that peft wraps, or the model itself."""
    return model.get_base_model() if is_adapter(model) else model


def name_base(model: Any, files: ModelFiles) -> None:
    """Write into the adapter which model it is for: its id, never this machine's path."""
    config = model.peft_config[model.active_adapter]
    config.base_model_name_or_path = files.id
    config.revision = files.revision if files.source in ("cache", "hub") else None


def save(model: Any, folder: Path, **weights: Any) -> None:
    """Save adapter and head (safetensors), and config.json with labels and architecture."""
    model.save_pretrained(folder, save_embedding_layers=False, **weights)
    (folder / "README.md").unlink()  # peft's card; the run's own takes its place
    base = inner(model)
    config = copy.deepcopy(base.config)
    config.architectures = [type(base).__name__]
    config.save_pretrained(folder)
    if (generation := getattr(base, "generation_config", None)) is not None:
        generation.save_pretrained(folder)


def load(folder: Path, method: Method, expected: str | None = None) -> Any:
    """Load base model and adapter from an adapter's folder, in eval mode, on the accelerator.

    Args:
        method: the run's, which prepares the base (4-bit layers, for instance).
        expected: the revision that the adapter was trained on, where it is known.

    Raises:
        ModelError: the base model cannot be found, or is another than the adapter was trained on.
    """
    with loading(f"{folder} cannot be loaded"):
        return _wrapped(method.base(_base(folder, expected)), folder)


def merged(folder: Path, method: Method, expected: str | None = None) -> Any:
    """Return a plain transformers model with the adapter's weights in it; Raises as `load`."""
    from peft.utils import ModulesToSaveWrapper

    with loading(f"{folder} cannot be loaded"):
        model = method.dense(method.base(_base(folder, expected)))
        wrapped = _wrapped(model, folder)
    # Put in by hand: peft's IA3 looks for a weight in them, which a module of several layers lacks.
    for name, module in list(wrapped.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):
            wrapped.set_submodule(name, module.modules_to_save[wrapped.active_adapter])
    return wrapped.merge_and_unload(safe_merge=True)


def _wrapped(model: Any, folder: Path) -> Any:
    import peft

    from toolkit.utils.logging import quiet_peft

    with quiet_peft():
        return peft.PeftModel.from_pretrained(model, str(folder)).eval()


def _base(folder: Path, expected: str | None) -> Any:
    import torch
    import transformers
    from transformers.utils import GENERATION_CONFIG_NAME

    given = _adapter_config(folder)
    where = f"base_model_name_or_path in {folder / CONFIG}"
    files = find_model(
        given.base_model_name_or_path,
        given.revision,
        f"It is the base model of the adapter in {folder}. Where it has moved, write its folder "
        f"as {where}: its weights are compared with those that the adapter was trained on.",
    )
    if expected is not None and files.revision != expected:
        raise ModelError(
            f"{folder} is an adapter of {files.id!r} at {expected}; {files.path} holds "
            f"{files.revision}: other weights, with which it would predict something else"
        )
    device = torch.accelerator.current_accelerator()
    model = auto_class_of(folder).from_pretrained(
        files.path,
        config=transformers.AutoConfig.from_pretrained(folder),
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # the head comes with the adapter
    )
    if (folder / GENERATION_CONFIG_NAME).is_file():  # not that of the base
        model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    return model if device is None else model.to(device)


def _adapter_config(folder: Path) -> Any:
    """Return the adapter's own config.

    Raises:
        ModelError: it is not JSON of an adapter, or names no base model.
    """
    from peft import PeftConfig

    with loading(f"{folder / CONFIG} cannot be read"):
        found = PeftConfig.from_pretrained(str(folder))
    if not isinstance(found.base_model_name_or_path, str):
        raise ModelError(f"{folder / CONFIG} names no base_model_name_or_path")
    return found


def usage(folder: Path) -> str:
    """Return the lines of Python that load the adapter without toolkit."""
    from transformers.utils import GENERATION_CONFIG_NAME

    given = _adapter_config(folder)
    auto = auto_class_of(folder).__name__
    revision = f", revision={given.revision!r}" if given.revision else ""
    generation = ""
    if (folder / GENERATION_CONFIG_NAME).is_file():
        of = 'transformers.GenerationConfig.from_pretrained("model")'
        generation = f"base.generation_config = {of}\n"
    return f"""\
import peft, transformers

config = transformers.AutoConfig.from_pretrained("model")
base = transformers.{auto}.from_pretrained(
    {given.base_model_name_or_path!r}{revision}, config=config, ignore_mismatched_sizes=True
)
{generation}model = peft.PeftModel.from_pretrained(base, "model").eval()"""
