"""The Auto class of transformers for an architecture, and errors of loading in the user's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.errors import NEVER_RUN, ModelError, UserError


@contextmanager
def loading(what: str) -> Iterator[None]:
    """A model that is damaged, or of another kind than is needed, is the user's to mend.

    Args:
        what: what cannot be done then, as the message begins.

    Raises:
        ModelError: whatever the libraries raise over a model's files.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except UserError:
        raise
    except (
        ValueError, OSError, KeyError, IndexError, ImportError, RuntimeError, TypeError,
        AttributeError, ZeroDivisionError, SafetensorError, StrictDataclassError,
    ) as error:  # fmt: skip
        lines = str(error).strip().splitlines() or [repr(error)]
        said = " ".join(map(str.strip, lines[:2])) if lines[0].endswith(":") else lines[0]
        if not isinstance(error, ValueError | OSError | RuntimeError | ImportError):
            said = f"{type(error).__name__}: {said}"  # most say little without it
        if "trust_remote_code" in str(error):
            said = f"it needs code of its own, and {NEVER_RUN}"
        raise ModelError(f"{what}: {said}") from error


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
        classes = getattr(known, "_model_mapping", {}).values()
        added = [c.__name__ for c in getattr(known, "_extra_content", {}).values()]
        if architecture in added or any(
            architecture in (c if isinstance(c, tuple) else (c,)) for c in classes
        ):
            return getattr(modeling_auto, name)
    return None


def auto_class_of(config: Any, folder: Path) -> Any:
    """Return the plain Auto class that loads a saved model, by the architecture in its config.

    Raises:
        UserError: transformers has none for it.
    """
    architectures = config.architectures or []
    auto = next(filter(None, map(auto_class, architectures)), None)
    if auto is None:
        raise UserError(f"no Auto class of transformers loads {architectures} of {folder}")
    return auto


def load_plain(folder: Path) -> Any:
    """Load a saved model by the Auto class of its architecture, on the device that is there.

    Raises:
        UserError: transformers has no Auto class for it.
    """
    import torch
    import transformers

    auto = auto_class_of(transformers.AutoConfig.from_pretrained(folder), folder)
    model = auto.from_pretrained(folder, dtype=torch.float32).eval()
    return model.to("cuda") if torch.cuda.is_available() else model
