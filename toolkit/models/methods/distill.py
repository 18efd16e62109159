"""A smaller student learns from a fine-tuned teacher's probabilities (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from toolkit.errors import Fault, RecipeError, TrainingError, UserError
from toolkit.evaluation.batches import TEACHER_LOGITS as COLUMN
from toolkit.models.auto import load_saved
from toolkit.models.extra_inputs import extra_input, without
from toolkit.models.features import cached_features
from toolkit.models.find import find_model
from toolkit.models.method import MethodContext
from toolkit.models.methods.full import Full
from toolkit.plugin import Plugin
from toolkit.utils.text import listing

OTHERS = "use full, partial, layerwise or an adapter"


class Distill(Full):
    """All parameters of the recipe's model (the student), towards a teacher's logits.

    The teacher reads every training row once, through its own processor; its logits are cached, and
    it is not in memory while the student trains. The loss is

        (1 - alpha) * the student's own + alpha * T^2 * KL(teacher / T || student / T)

    with cross-entropy of independent labels for several labels a row, and the squared error for
    numbers, in the place of KL.

    teacher: a run's folder, or a fine-tuned model (folder or Hub id) with the same classes.
    alpha: weight of the teacher in the loss; 1 needs no labels. temperature: T, which softens both.
    """

    teacher: str
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    temperature: Annotated[float, Field(gt=0)] = 2.0

    def check(self, model: Any) -> None:
        """Raise RecipeError for a model that has no classes to share with a teacher."""
        if getattr(model, "can_generate", bool)():
            what = "distill learns from logits for whole rows, and "
            what += f"{type(model).__name__} generates token by token"
            raise RecipeError(Fault("method", f"{what}: {OTHERS}"))
        if not hasattr(getattr(model, "config", None), "id2label"):
            what = f"distill needs a model of transformers, and {type(model).__name__} is none"
            raise RecipeError(Fault("method", f"{what}: use full, partial or layerwise"))

    def models(self) -> list[str]:
        """Return the teacher."""
        return [self.teacher]

    def apply(self, model: Any, context: MethodContext) -> Any:
        """Return the student, with the teacher's logits beside every training row."""
        model = super().apply(model, context)
        teacher, order = self._teacher(context, model)
        prepared = teacher.prepare(context.raw["train"], "train")
        found = cached_features(context, teacher.model, prepared, _logits_of, "logits",
                         excluded=lambda _: False, plugin=teacher)  # fmt: skip
        logits = np.concatenate(list(found.matrices()))[:, order]
        rows = without(context.prepared["train"], COLUMN)
        context.prepared["train"] = rows.add_column(COLUMN, logits.tolist())
        context.report.update(
            {
                "teacher": self.teacher,
                "teacher_parameters": sum(p.numel() for p in teacher.model.parameters()),
                "student_parameters": sum(p.numel() for p in model.parameters()),
                "teacher_logits": "from the cache" if found.cached else "computed",
            }
        )
        return model

    def loss(self, plugin: Plugin[Any]) -> Callable[..., Any] | None:
        """Return the student's loss mixed with its distance from the teacher."""
        import torch

        from toolkit.models.linear_fit import loss_for

        own = plugin.loss()
        settings = plugin.recipe.training if plugin.recipe else {}
        smoothing = float(settings.get("label_smoothing_factor", 0.0))

        def mixed(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
            soft = outputs.get(COLUMN)
            count = labels.numel() if num_items_in_batch is None else num_items_in_batch
            weight = labels.numel() / count  # Trainer adds up the parts of an accumulated batch
            if own is not None:
                hard = own(outputs, labels, num_items_in_batch)
            else:
                hard = weight * loss_for(labels, smoothing)(outputs.logits.float(), labels)
            if soft is None:
                if torch.is_grad_enabled():
                    raise TrainingError(f"the Trainer's collator has lost the column {COLUMN!r}")
                return hard
            distance = self._distance(outputs.logits.float(), soft.float(), labels)
            return (1 - self.alpha) * hard + self.alpha * weight * distance

        return mixed

    def while_training(self, model: Any) -> AbstractContextManager[None]:
        """Let batches carry the teacher's logits to the loss."""

        def keep(outputs: Any, soft: Any) -> Any:
            if soft is not None:
                outputs[COLUMN] = soft
            return outputs

        return extra_input(model, COLUMN, after=keep)

    def _distance(self, student: Any, teacher: Any, labels: Any) -> Any:
        from torch.nn import functional

        t = self.temperature
        if labels.is_floating_point():
            if labels.shape != student.shape or student.shape[-1] == 1:
                return functional.mse_loss(student, teacher)
            target = (teacher / t).sigmoid()
            return t * t * functional.binary_cross_entropy_with_logits(student / t, target)
        one, other = ((logits / t).log_softmax(-1) for logits in (student, teacher))
        return t * t * functional.kl_div(one, other, log_target=True, reduction="batchmean")

    def _teacher(self, context: MethodContext, student: Any) -> tuple[Plugin[Any], list[int]]:
        """Return the teacher's plugin, and where each of the student's classes is in its logits."""
        found = self._loaded(context)
        names = [str(found.model.config.id2label[i]) for i in range(found.model.config.num_labels)]
        wanted = [str(student.config.id2label[i]) for i in range(student.config.num_labels)]
        lacking, extra = set(wanted) - set(names), set(names) - set(wanted)
        if lacking or extra:
            raise RecipeError(
                f"method.teacher {self.teacher!r} has other classes than the data: "
                f"it lacks {listing(sorted(lacking), 6)}, "
                f"and has {listing(sorted(extra), 6)} besides"
            )
        return found, [names.index(name) for name in wanted]

    def _loaded(self, context: MethodContext) -> Plugin[Any]:
        """Return a plugin with the teacher's processor and model."""
        path, student = Path(self.teacher).expanduser(), context.plugin
        try:
            if context.load_run is not None and (path / "run.json").is_file():
                return context.load_run(path)
            found = find_model(self.teacher)
        except UserError as error:
            raise RecipeError(f"method.teacher: {error}") from error
        other = type(student)()
        other.options, other.recipe, other.model_path = student.options, student.recipe, found.path
        other.processor, other.model = other.load_processor(), load_saved(other)
        return other


@contextmanager
def _logits_of(model: Any) -> Iterator[Any]:
    def take(batch: Any) -> list[Any]:
        outputs = model(**batch)
        if "logits" not in outputs or outputs.logits.ndim != 2:
            what = f"distill learns from logits for whole rows, and {type(model).__name__} gives"
            raise RecipeError(Fault("method", f"{what} {listing(outputs)}: {OTHERS}"))
        return list(outputs.logits.float().cpu())

    yield take
