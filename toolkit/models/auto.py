"""The Auto class of transformers for an architecture; errors of loading as errors of the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import NEVER_RUN, ModelError, ToolkitError, UserError
from toolkit.plugin.blame import blamed

if TYPE_CHECKING:
    from toolkit.plugin import Plugin


@contextmanager
def loading(what: str) -> Iterator[None]:
    """Raise what the libraries raise over a damaged or unsuitable model as the user's error.

    Args:
        what: the beginning of the message: what cannot be done.

    Raises:
        ModelError: whatever the libraries raise over a model's files.
    """
    try:
        yield
    except ToolkitError:
        raise
    except Exception as error:  # libraries have no common error for a damaged file
        lines = str(error).strip().splitlines() or [repr(error)]
        reason = " ".join(map(str.strip, lines[:2])) if lines[0].endswith(":") else lines[0]
        if not isinstance(error, ValueError | OSError | RuntimeError | ImportError):
            reason = f"{type(error).__name__}: {reason}"  # most messages mean little without it
        if "trust_remote_code" in str(error):
            reason = f"it needs code of its own, and {NEVER_RUN}"
        raise ModelError(f"{what}: {reason}") from error


def auto_class(architecture: str) -> Any:
    """Return the `AutoModel...` class of transformers that loads an architecture, or None.

    Models that a plugin has registered there are found, too.
    """
    from transformers.models.auto import modeling_auto

    # Only the classes: the mappings beside them import every model there is when looked into.
    # "ForPreTraining" comes last, as it takes what others have their own class for.
    names = [name for name in dir(modeling_auto) if name.startswith("AutoModel")]
    for name in sorted(names, key=lambda name: (name.endswith("PreTraining"), name)):
        known = getattr(getattr(modeling_auto, name), "_model_mapping", None)
        found = {cls.__name__ for cls in getattr(known, "_extra_content", {}).values()}
        for classes in getattr(known, "_model_mapping", {}).values():
            found |= set(classes) if isinstance(classes, tuple) else {classes}
        if architecture in found:
            return getattr(modeling_auto, name)
    return None


def auto_class_of(folder: Path) -> Any:
    """Return the plain Auto class that loads a saved model, by the architecture in its config.

    Raises:
        UserError: transformers has none for it.
    """
    from transformers import AutoConfig

    architectures = AutoConfig.from_pretrained(folder).architectures or []
    auto = next(filter(None, map(auto_class, architectures)), None)
    if auto is None:
        what = f"no Auto class of transformers loads {architectures} of {folder}"
        raise UserError(f"{what}: the plugin has to, in load_saved")
    return auto


def load_saved(plugin: Plugin[Any], dtype: str = "float32") -> Any:
    """Load the model in `plugin.model_path`, on the device that is there.

    Args:
        dtype: for `Plugin.load_saved`; what an Auto class loads is float32.

    Raises:
        UserError: neither the plugin nor an Auto class of transformers loads it.
    """
    import torch

    folder = plugin.model_path
    with blamed(plugin):
        model = plugin.load_saved(getattr(torch, dtype))
    if model is None:
        model = auto_class_of(folder).from_pretrained(folder, dtype=torch.float32)
    model = model.eval()
    return model.to("cuda") if torch.cuda.is_available() else model
