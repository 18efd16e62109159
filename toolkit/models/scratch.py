"""Models from scratch: a config of transformers, and no weights."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toolkit.errors import Fault, RecipeError
from toolkit.models.find import ModelFiles
from toolkit.utils.files import write_atomically
from toolkit.utils.text import nearest


def from_config(fields: Mapping[str, Any]) -> ModelFiles:
    """Return a folder that holds a config and no weights, for a model trained from scratch.

    Args:
        fields: `model_type`, and fields of the config of that type.

    Raises:
        RecipeError: an unknown type, unknown fields, or values that the config refuses.
    """
    import datasets
    from transformers import CONFIG_MAPPING, GenerationConfig, PreTrainedConfig

    model_type = fields.get("model_type")
    # Not `in`: that knows the types of transformers only, not those that a plugin has registered.
    known = list(CONFIG_MAPPING.keys())
    if model_type not in known:
        what = f"is {model_type!r}: no model type.{nearest(str(model_type), known)}"
        raise RecipeError(Fault("model.from_config.model_type", what))
    cls, rest = CONFIG_MAPPING[model_type], {k: v for k, v in fields.items() if k != "model_type"}
    generation = set(GenerationConfig().to_dict())  # type: ignore[no-untyped-call]  # theirs
    takes = {*cls().to_dict(), *getattr(cls, "attribute_map", {}), *generation,
             *inspect.signature(PreTrainedConfig.__init__).parameters}  # fmt: skip
    if faults := [
        Fault(f"model.from_config.{name}", f"is no field of {cls.__name__}.{nearest(name, takes)}")
        for name in rest if name not in takes
    ]:  # fmt: skip
        raise RecipeError(faults)
    try:
        text = cls(**rest).to_json_string()
        # What only generation knows has a file of its own, as it has beside saved models.
        alone = {k: v for k, v in rest.items() if k in generation - set(json.loads(text))}
        more = json.dumps(alone, sort_keys=True) if alone else ""
    except Exception as error:  # configs check their fields each in their own way
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        what = f"{cls.__name__} refuses it: {reason}"
        raise RecipeError(Fault("model.from_config", what)) from None
    digest = hashlib.sha256((text + more).encode()).hexdigest()
    folder = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-configs" / digest[:32]
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("generation_config.json", more), ("config.json", text)):
        if content:
            write_atomically(folder / name, content)
    return ModelFiles(folder, f"{model_type} from scratch", f"sha256:{digest}", "config")
