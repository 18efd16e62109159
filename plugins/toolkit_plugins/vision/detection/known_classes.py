"""Classes that a pretrained detector knows by name: a baseline, and a start for its head."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import Fault, RecipeError
from toolkit.evaluation import chunks
from toolkit.evaluation.predicting import predict
from toolkit.plugin_types import Baseline, BaselineData, BaselineResult, Ints, Prediction
from toolkit.tasks.boxes.baselines import IMAGES, judged
from toolkit.utils.text import listing, nearest
from toolkit_plugins.vision.detection import models
from toolkit_plugins.vision.fast_layers import faster

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.detection.plugin import ObjectDetection

BATCH = 8
STEP = 64  # test images between looks at the clock
NEVER = -50.0  # logit of a class that the pretrained model does not know
Numbers = Mapping[int, Sequence[int]]


def _key(name: str) -> str:
    """Return a name without what tools write differently: case, blanks, underscores, dashes."""
    return re.sub(r"[\s_-]+", "", name.casefold())


def own_names(folder: Path) -> list[str] | None:
    """Return the classes of a pretrained detector; None for models from scratch, and others."""
    from transformers import AutoConfig

    from toolkit.models import pretrained

    config = AutoConfig.from_pretrained(folder)
    if pretrained.is_scratch(folder) or not models.is_detector(config):
        return None
    return [str(config.id2label[place]) for place in sorted(config.id2label)]


def known(
    classes: Sequence[str], names: Sequence[str], known_as: Mapping[str, Sequence[str]] | None
) -> dict[int, list[int]]:
    """Return class -> outputs of the pretrained model that mean it, both by number.

    Args:
        known_as: class -> names that the model has for it, where they are not the same.

    Raises:
        RecipeError: it names a class that the data lacks, or one that the model lacks.
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(_key(name), []).append(place)
    faults = []
    for label, others in (known_as or {}).items():
        if label not in classes:
            what = f"the data has no class {label!r}.{nearest(label, classes)}"
            faults.append(Fault("options.known_as", what))
        faults += [
            Fault(f"options.known_as.{label}",
                  f"the model has no class {other!r}.{nearest(other, names)} "
                  f"It has: {listing(names, 40)}.")
            for other in others if _key(other) not in places
        ]  # fmt: skip
    if faults:
        raise RecipeError(faults)
    found = {}
    for number, label in enumerate(classes):
        keys = map(_key, (known_as or {}).get(label, [label]))
        if outputs := [place for key in keys for place in places.get(key, ())]:
            found[number] = outputs
    return found


def of(plugin: ObjectDetection) -> dict[int, list[int]]:
    """Return the classes of a run that its pretrained model knows, as `known` does."""
    names = own_names(plugin.model_path)
    if names is None:
        if plugin.options.known_as:
            what = "the model is no pretrained detector, hence has no classes"
            raise RecipeError(Fault("options.known_as", what))
        return {}
    return known(plugin.classes, names, plugin.options.known_as)


def note(plugin: ObjectDetection) -> list[str]:
    """Return what the pretrained model knows of the classes, or why it gives no baseline."""
    if plugin.data is None or plugin.from_scratch:
        return []
    names = own_names(plugin.model_path)
    if names is None:
        return ["no zero-shot baseline: the model is a classifier, its detector starts untrained"]
    there = [plugin.classes[number] for number in of(plugin)]
    if not there:
        return [f"no zero-shot baseline: none of the model's {len(names)} classes has the name of "
                "one of the data (options.known_as says which are the same)"]  # fmt: skip
    lacking = [name for name in plugin.classes if name not in there]
    rest = f"; new to it: {listing(lacking, 8)}" if lacking else ""
    return [f"classes that the pretrained model knows by name: {listing(there, 8)}{rest}. Their "
            "outputs are where training starts, and the zero-shot baseline"]  # fmt: skip


def keep(model: Any, plugin: ObjectDetection) -> Any:
    """Return the model, the outputs of classes that it knew by name as they were.

    An output of several earlier ones starts as their mean, one without earlier ones as it is.

    Raises:
        RecipeError: `options.known_as` names a class that the data or the model lacks.
    """
    import torch

    if plugin.data is None:
        return model
    same, names = of(plugin), own_names(plugin.model_path)  # refuses wrong names before training
    if not same or names is None or list(names) == list(plugin.classes):
        return model
    old = _untuned(plugin).state_dict()
    heads = _heads(model, len(names))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name not in heads or value.shape[1:] != old[name].shape[1:]:
                continue
            for number, places in same.items():
                value[number] = old[name][list(places)].mean(0)
            if len(value) > len(plugin.classes) and len(old[name]) > len(names):  # "no object"
                value[-1] = old[name][-1]
    return model


def _heads(model: Any, count: int) -> set[str]:
    """Return the names of weights that have a row for each class: those that another count moves.

    count: of the classes of the pretrained model.
    """
    import copy

    import torch
    from transformers import AutoModelForObjectDetection

    auto: Any = AutoModelForObjectDetection
    shapes = []
    for labels in (count + 1, count + 2):
        config = copy.deepcopy(model.config)
        config.id2label = {place: str(place) for place in range(labels)}
        with torch.device("meta"):
            shapes.append({n: v.shape for n, v in auto.from_config(config).state_dict().items()})
    return {name for name, shape in shapes[0].items() if shape != shapes[1][name]}


def _untuned(plugin: ObjectDetection) -> Any:
    """Return the pretrained model with its own classes."""
    found = models.load(plugin.model_path, {"dtype": "float32"}, plugin.options.detector)
    return faster(models.alone(found)).eval()


class ZeroShot(Baseline):
    """The pretrained detector before fine-tuning, on the classes that it knows by name."""

    name = "zero_shot"

    def __init__(self, plugin: ObjectDetection, same: Numbers) -> None:
        self.plugin, self.same = plugin, same

    def run(self, data: BaselineData, seconds: float) -> BaselineResult:
        """Choose the threshold on validation, and predict the test rows that there is time for."""
        end, plugin = time.monotonic() + seconds, self.plugin
        device = next(plugin.model.parameters()).device
        model = renamed(_untuned(plugin).to(device), self.same, len(plugin.classes))
        chosen = plugin.options.threshold
        if chosen is None and data.validation is not None and data.validation_prepared is not None:
            rows = range(min(IMAGES, len(data.validation)))
            some = chunks.select(data.validation, data.validation_prepared, rows)
            found = self._predicted(model, *some)
            chosen = judged(plugin, some[0].to_list(), found)[1]
        if chosen is not None:
            self.plugin = plugin.with_(calibration={**plugin.calibration, "threshold": chosen})
        predictions, order = list[Prediction](), data.test_order
        for start in range(0, len(order), STEP):
            few: Ints = order[start : start + STEP]
            some = chunks.select(data.test, data.test_prepared, few)
            predictions += self._predicted(model, *some)
            if time.monotonic() > end:
                break
        names = listing([plugin.classes[number] for number in self.same], 8)
        return BaselineResult(predictions, order[: len(predictions)], 0, f"classes: {names}")

    def _predicted(
        self, model: Any, raw: datasets.Dataset, prepared: datasets.Dataset
    ) -> list[Prediction]:
        found = predict(self.plugin, model, raw, prepared, BATCH, alone=True)
        return [one for batch in found for one in batch.predictions]


def baselines(plugin: ObjectDetection) -> list[ZeroShot]:
    """Return the baseline of a pretrained detector; [] where it knows no class of the data."""
    same = of(plugin)
    return [ZeroShot(plugin, same)] if same else []


def renamed(model: Any, same: Numbers, classes: int) -> Any:
    """Return the model, its outputs from now on those of the data's classes.

    A class has the most probable of the outputs that mean it; of models with an output for "no
    object", all that means no class of the data is that.
    """
    import torch

    usual, own = model.forward, model.config.num_labels

    @wraps(usual)  # whoever looks for the names of inputs finds them
    def forward(*given: Any, **inputs: Any) -> Any:
        outputs = usual(*given, **inputs)
        logits = outputs.logits.float()
        plain = logits.shape[-1] == own
        scores = logits if plain else logits.log_softmax(-1)
        found = scores.new_full((*scores.shape[:-1], classes), NEVER)
        for number, places in same.items():
            found[..., number] = scores[..., list(places)].amax(-1)
        if not plain:
            rest = (1 - found.exp().sum(-1, keepdim=True)).clamp(min=1e-9).log()
            found = torch.cat([found, rest], -1)
        outputs.logits = found
        return outputs

    model.forward = forward
    return model
