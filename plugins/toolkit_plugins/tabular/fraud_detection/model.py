"""Which model reads the rows: one of fields, or an encoder of texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data import ClassLabels
from toolkit.models import pretrained
from toolkit_plugins.tabular.fraud_detection.processor import FILE, TransactionProcessor

if TYPE_CHECKING:
    from toolkit.recipe.schema import ModelSpec
    from toolkit_plugins.tabular.fraud_detection.options import FraudOptions


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


def load(folder: Path, processor: TransactionProcessor, options: FraudOptions) -> Any:
    """Return the model for the task: masked fields, or two classes."""
    from transformers import AutoModelForPreTraining, AutoModelForSequenceClassification

    settings: dict[str, Any] = {
        "edges": processor.edges,
        "cardinalities": processor.cardinalities,
    }
    if options.task == "pretrain":
        return pretrained.model(AutoModelForPreTraining, folder, **settings)
    if reads_text(options, folder):
        settings = {"pad_token_id": processor.tokenizer.pad_token_id}
    return pretrained.model(
        AutoModelForSequenceClassification,
        folder,
        processor.tokenizer,
        **ClassLabels(processor.schema.labels).head,
        ignore_mismatched_sizes=True,  # a checkpoint's own head is replaced
        dtype="float32",
        **settings,
    )
