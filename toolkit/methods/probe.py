"""A new linear head fitted on the frozen model, before anything is fine-tuned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.evaluation.predicting import batch_maker, by_length, records

if TYPE_CHECKING:
    from toolkit.methods import Material

MOST_ROWS = 20_000  # more hardly move a linear head, and their features would fill memory
WINDOW = 1024
BATCH = 64
STRENGTHS = (0.001, 0.01, 0.1)  # of the fit (inverse to the penalty), for features of unit variance
TUNING_ROWS = 2000


def fit_head(model: Any, material: Material) -> bool:
    """Set weight and bias of the head to the logistic regression on its inputs.

    Features are centred and scaled for the fit, which is folded into the weights. Returns whether
    it was done: not where the logits are no linear layer's output, or labels no classes.
    """
    import torch

    train = material.prepared["train"]
    order = np.random.default_rng(material.seed).permutation(len(train))[:MOST_ROWS]
    make = batch_maker(material.plugin, model, with_labels=True)
    head = _head(model, make(records(train, order[:2].tolist())))
    if head is None:
        return False
    features, labels = [], []
    was_training = model.training
    model.eval()
    with torch.inference_mode(), _inputs_of(head) as seen, _precision(model):
        for start in range(0, len(order), WINDOW):
            window = train.select(order[start : start + WINDOW])
            for rows in by_length(window, range(len(window)), BATCH):
                batch = make(records(window, rows))
                model(**{k: v for k, v in batch.items() if k != "labels"})
                features.append(seen.pop().float().cpu().numpy())
                labels.append(batch["labels"].cpu().numpy())
    model.train(was_training)
    fitted = _fit(np.concatenate(features), np.concatenate(labels), head.out_features)
    if fitted is None:
        return False
    weight, bias = fitted
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weight))
        head.bias.copy_(torch.from_numpy(bias))
    return True


def _head(model: Any, batch: Any) -> Any:
    """Return the linear layer whose output is the model's logits, or None."""
    import torch

    outputs: dict[Any, Any] = {}

    def note(module: Any, inputs: Any, output: Any) -> None:
        outputs[module] = output

    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    hooks = [module.register_forward_hook(note) for module in linear]
    try:
        with torch.inference_mode():
            logits = model(**{k: v for k, v in batch.items() if k != "labels"}).logits
    except AttributeError:
        return None
    finally:
        for hook in hooks:
            hook.remove()
    same = [m for m, output in outputs.items() if output.data_ptr() == logits.data_ptr()]
    return same[0] if same and same[0].bias is not None and logits.ndim == 2 else None


@contextmanager
def _inputs_of(module: Any) -> Iterator[list[Any]]:
    seen: list[Any] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


def _precision(model: Any) -> Any:
    import torch

    from toolkit.training import bf16_supported

    kind = next(model.parameters()).device.type
    return torch.autocast(kind, torch.bfloat16, enabled=bf16_supported())


def _fit(features: Any, labels: Any, outputs: int) -> tuple[Any, Any] | None:
    """Return weight (outputs, features) and bias (outputs,) on unscaled features."""
    # One scale for all features: a scale each would give those that hardly vary huge weights,
    # through which dropout and the first steps shake the logits.
    mean, scale = features.mean(axis=0), features.std() + 1e-12
    scaled = (features - mean) / scale
    columns = labels.T if labels.ndim == 2 else [labels]
    weight = np.zeros((outputs, features.shape[1]))
    bias = np.zeros(outputs)
    for place, targets in enumerate(columns):
        known = targets >= 0
        if not np.array_equal(targets, targets.astype(int)) or len(np.unique(targets[known])) < 2:
            if labels.ndim == 1:
                return None
            continue  # a label that all rows have, or none: its logit starts at zero
        model = _logistic(scaled[known], targets[known].astype(int))
        if labels.ndim == 2:
            weight[place], bias[place] = model.coef_[0], model.intercept_[0]
        elif len(model.classes_) == 2:
            # One logit stands for two: half of it to each class, with opposite signs.
            weight[model.classes_] = np.concatenate([-model.coef_, model.coef_]) / 2
            bias[model.classes_] = np.concatenate([-model.intercept_, model.intercept_]) / 2
        else:
            weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    weight /= scale
    return weight.astype(np.float32), (bias - weight @ mean).astype(np.float32)


def _logistic(features: Any, targets: Any) -> Any:
    """Return the logistic regression whose penalty predicts every fifth row best.

    A head that fits its rows too well starts fine-tuning with gradients that vanish.
    """
    from sklearn.linear_model import LogisticRegression

    from toolkit.quiet import quiet_fit

    rows = np.arange(len(targets))[:TUNING_ROWS]
    held, kept = rows[::5], np.setdiff1d(rows, rows[::5])
    losses = {}
    with quiet_fit():
        if len(np.unique(targets[kept])) > 1:
            for strength in STRENGTHS:
                model = LogisticRegression(C=strength, max_iter=100)
                found = model.fit(features[kept], targets[kept]).predict_log_proba(features[held])
                place = np.searchsorted(model.classes_, targets[held]).clip(
                    max=len(model.classes_) - 1
                )
                losses[strength] = -found[np.arange(len(held)), place].mean()
        best = min(losses, key=lambda strength: losses[strength]) if losses else STRENGTHS[0]
        return LogisticRegression(C=best, max_iter=200).fit(features, targets)


__all__ = ["fit_head"]
