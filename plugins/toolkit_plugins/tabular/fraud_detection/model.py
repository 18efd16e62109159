"""Which model reads the rows: one of fields, or an encoder of texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data import ClassLabels
from toolkit.errors import Fault, RecipeError
from toolkit.models import pretrained
from toolkit_plugins.tabular import batches
from toolkit_plugins.tabular.fraud_detection import inputs
from toolkit_plugins.tabular.fraud_detection.processor import FILE, TransactionProcessor

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.recipe.schema import ModelSpec, Recipe
    from toolkit_plugins.tabular.boosting import Chosen
    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions


ROWS = 4096  # that trees score at once


def needs_import(options: FraudOptions, model: ModelSpec) -> bool:
    """Return whether the model is a class of this plugin, going by the recipe alone."""
    model_type = (model.from_config or {}).get("model_type")
    continues = (Path(model.id or "") / FILE).is_file()
    return not options.as_text and (model_type is not None or continues)


def reads_text(options: FraudOptions, folder: Path) -> bool:
    """Return whether rows are written as text: by the option, or by the type of the model."""
    if options.as_text is not None:
        return options.as_text
    from transformers import AutoConfig

    from toolkit_plugins.tabular.transformer import TransactionConfig

    found = AutoConfig.from_pretrained(folder).model_type
    return bool(found != TransactionConfig.model_type)


def tokenizer(options: FraudOptions, folder: Path) -> Any:
    """Return the tokenizer of a model that reads rows as text, None for others.

    Raises:
        RecipeError: it is to be pretrained.
    """
    if not reads_text(options, folder):
        return None
    if options.task == "pretrain":
        raise RecipeError(Fault("options.task", "pretrain is for the model of fields"))
    return pretrained.tokenizer(folder)


def kind(options: FraudOptions, folder: Path, recipe: Recipe | None) -> str:
    """Return what scores rows: the option, or a transformer where trees cannot be beside it.

    Raises:
        RecipeError: the option names what cannot be had.
    """
    why = _without_trees(options, folder, recipe)
    if why is None:
        return options.model
    if "model" in options.model_fields_set and options.model != "transformer":
        raise RecipeError(Fault("options.model", f"{options.model} is not for {why}"))
    return "transformer"


def _without_trees(options: FraudOptions, folder: Path, recipe: Recipe | None) -> str | None:
    from toolkit.models.methods import get_method
    from toolkit.models.methods.adapter import Adapter

    if options.task == "pretrain":
        return "options.task pretrain, which knows no labels"
    if reads_text(options, folder):
        return "rows that are read as text"
    if recipe is not None and issubclass(get_method(recipe.method.name), Adapter):
        return f"method {recipe.method.name}: an adapter's file holds no trees"
    return None


def load(
    folder: Path,
    processor: TransactionProcessor,
    options: FraudOptions,
    kind: str,
    boosted: Callable[[], Chosen | None],
) -> Any:
    """Return the model for the task: masked fields, or two classes.

    Args:
        kind: as the function of that name gives it. boosted: fits trees; None where rows of one
            class are missing.
    """
    from transformers import AutoModelForPreTraining, AutoModelForSequenceClassification

    settings: dict[str, Any] = {
        "edges": processor.edges,
        "cardinalities": processor.cardinalities,
    }
    if options.task == "pretrain":
        return pretrained.model(AutoModelForPreTraining, folder, **settings)
    tensors = None
    if reads_text(options, folder):
        settings = {"pad_token_id": processor.tokenizer.pad_token_id}
    else:
        trees, tensors = _trees(boosted() if kind != "transformer" else None)
        settings |= {**trees, "alone": kind == "boosting" and tensors is not None}
    found = pretrained.model(
        AutoModelForSequenceClassification,
        folder,
        processor.tokenizer,
        **ClassLabels(processor.schema.labels).head,
        ignore_mismatched_sizes=True,  # a checkpoint's own head and trees are replaced
        dtype="float32",
        **settings,
    )
    if tensors is not None:
        found.trees.load_state_dict(tensors)
    return found


def loss(options: FraudOptions, smoothing: float, truth: Any) -> batches.Loss | None:
    """Return the loss of options, frauds weighted; None where the model has its own.

    Args:
        smoothing: label smoothing. truth: of the training rows; None where there are none.

    Raises:
        RecipeError: the loss knows no label smoothing.
    """
    if smoothing and (options.task == "pretrain" or options.loss == "focal"):
        what = "is for options.loss cross_entropy; masked fields and focal loss know none"
        raise RecipeError(Fault("training.label_smoothing_factor", what))
    if options.task == "pretrain":
        return None
    weights = (1.0, 1.0) if truth is None else inputs.class_weights(truth, options.fraud_weight)
    gamma = 0.0 if options.loss == "cross_entropy" else options.focal_gamma
    return batches.Loss(weights, gamma, smoothing)


def _trees(chosen: Chosen | None) -> tuple[dict[str, Any], Any]:
    """Return the settings of a config for trees, and the trees' tensors; None where none are."""
    from toolkit_plugins.tabular.trees import tensors_of

    if chosen is None:
        return {"trees": None, "boosting": None}, None
    sizes, tensors = tensors_of(chosen.fitted)
    return {"trees": sizes, "boosting": chosen.setting}, tensors


def parts(model: Any, odds: Any, numbers: Any, kinds: Any) -> Any:
    """Return log odds (rows, 1 or 2) of a model's parts, where `odds` are the mean of them."""
    import numpy as np
    import torch

    if getattr(model.config, "trees", None) is None or model.config.alone:
        return odds[:, None]
    device, found = model.trees.value.device, []
    with torch.inference_mode():
        for start in range(0, len(odds), ROWS):
            rows = slice(start, start + ROWS)
            columns = [torch.from_numpy(values[rows]).to(device) for values in (numbers, kinds)]
            found.append(model.boosted(*columns).double().cpu().numpy())
    trees = np.concatenate(found)
    return np.column_stack([2 * odds - trees, trees])
