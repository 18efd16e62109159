"""A linear head fitted on the frozen model: by itself, or before anything is fine-tuned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from toolkit.models.features import PART, Features, cached_features
from toolkit.models.linear_fit import LabelledFeatures, LinearFit, Loss, fit_linear, loss_for
from toolkit.models.method import MethodContext

if TYPE_CHECKING:
    import datasets

MOST_ROWS = 20_000  # more hardly move a head that is trained further
TUNING_ROWS = 2000
# C of the fit before fine-tuning, for features of unit variance: a head that fits its rows too
# well starts with vanishing gradients.
MILD = (0.001, 0.01, 0.1)


def fit_head(model: Any, context: MethodContext) -> None:
    """Set the head to a mild fit on some rows, as the start of fine-tuning.

    It stays as it is where the logits are no linear layer's output, or all rows are of one class.
    """
    head = find_logits_layer(model, context.first_batch(model))
    if head is None:
        return
    train = context.prepared["train"]
    order = np.random.default_rng(context.seed).permutation(len(train))[:MOST_ROWS]
    rows = _Rows.of(model, head, context, train.select(order))
    if (rows.labels != rows.labels[:1]).any():
        _set(head, rows.fitted(head.out_features, rows.loss(context), MILD, TUNING_ROWS))


def fit_exactly(model: Any, head: Any, context: MethodContext, strengths: Sequence[float]) -> None:
    """Set the head to the optimum on train, for the penalty that predicts validation best."""
    train = _Rows.of(model, head, context, context.prepared["train"])
    loss, outputs = train.loss(context), head.out_features
    if "validation" in context.prepared:
        other = _Rows.of(model, head, context, context.prepared["validation"])
        found = fit_linear(train.labelled(), other.labelled(), outputs, loss, strengths)
    else:
        found = train.fitted(outputs, loss, strengths, len(train.labels))
    _set(head, found)
    context.report.update(
        {
            "head": "linear, exact optimum",
            "parameters": {"trained": head.weight.numel() + head.bias.numel()},
            "C": found.strength,
            "validation_losses": {str(c): loss for c, loss in found.losses.items()},
            "features": "from the cache" if train.features.cached else "computed",
        }
    )


def _set(head: Any, found: LinearFit) -> None:
    with torch.no_grad():
        head.weight.copy_(found.weight)
        head.bias.copy_(found.bias)


@dataclass
class _Rows:
    """Features and labels of a split."""

    features: Features
    labels: Any
    device: Any

    @classmethod
    def of(cls, model: Any, head: Any, context: MethodContext, split: datasets.Dataset) -> _Rows:
        own = next(n for n, module in model.named_modules() if module is head) + "."
        found = cached_features(context, model, split, lambda m: inputs_of(m, head), "head",
                         excluded=lambda parameter: parameter.startswith(own))  # fmt: skip
        labels = torch.from_numpy(np.array(split.with_format("numpy")["labels"][:]))
        return cls(found, labels, head.weight.device)

    def loss(self, context: MethodContext) -> Loss:
        """Return the plugin's own loss, or the one that transformers' heads have."""
        from transformers.modeling_outputs import SequenceClassifierOutput

        own, recipe = context.plugin.loss(), context.plugin.recipe
        if own is not None:
            return lambda logits, labels: own(SequenceClassifierOutput(logits=logits), labels)
        settings = recipe.training if recipe else {}
        return loss_for(self.labels, float(settings.get("label_smoothing_factor", 0.0)))

    def fitted(
        self, outputs: int, loss: Loss, strengths: Sequence[float], tuning: int
    ) -> LinearFit:
        """Return the fit on all rows, for the penalty that suits a fifth of the first ones best."""
        place, whole = np.arange(min(tuning, len(self.labels))), self.labelled()
        kept, held = self.labelled(place[place % 5 > 0]), self.labelled(place[place % 5 == 0])
        chosen = fit_linear(kept, held, outputs, loss, strengths)
        found = fit_linear(whole, whole, outputs, loss, (chosen.strength,))
        return replace(found, losses=chosen.losses)

    def labelled(self, places: Any = slice(None)) -> LabelledFeatures:
        """Return the rows at some places, or all; without those whose class train lacks."""
        wanted = np.zeros(len(self.labels), bool)
        wanted[places] = True
        if not self.labels.is_floating_point():
            wanted &= self.labels.numpy() >= 0
        parts = _Parts(self, wanted)
        small = 4 * self.features.width * len(self.labels) <= PART
        return LabelledFeatures(list(parts) if small else parts, int(wanted.sum()))


@dataclass
class _Parts:
    """Pairs of features and labels, read from the file anew each time."""

    rows: _Rows
    wanted: Any

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        start = 0
        for matrix in self.rows.features.matrices():
            end = start + len(matrix)
            mask = self.wanted[start:end]
            if mask.any():
                found = torch.from_numpy(matrix[mask])
                labels = self.rows.labels[start:end][torch.from_numpy(mask)]
                yield found.to(self.rows.device), labels.to(self.rows.device)
            start = end


def find_logits_layer(model: Any, batch: Any) -> Any:
    """Return the linear layer whose output is the model's logits (rows, outputs), or None."""
    outputs: dict[Any, Any] = {}

    def note(module: Any, inputs: Any, output: Any) -> None:
        outputs[module] = output

    with ExitStack() as hooks, torch.inference_mode():
        for module in model.modules():
            if isinstance(module, torch.nn.Linear):
                hooks.callback(module.register_forward_hook(note).remove)
        logits = getattr(model(**{k: v for k, v in batch.items() if k != "labels"}), "logits", None)
    if logits is None or logits.ndim != 2:
        return None
    same = [m for m, output in outputs.items() if output.data_ptr() == logits.data_ptr()]
    return same[0] if same and same[0].bias is not None else None


@contextmanager
def inputs_of(model: Any, module: Any) -> Iterator[Any]:
    """Give a function from a batch to what a module was given for it, a vector a row."""
    seen: list[Any] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))

    def take(batch: Any) -> list[Any]:
        model(**batch)
        return list(seen.pop().float().cpu())

    try:
        yield take
    finally:
        hook.remove()
