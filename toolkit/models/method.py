"""What a fine-tuning method is: it changes a model before its Trainer is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit.recipe.schema import Part

if TYPE_CHECKING:
    import datasets
    from transformers import TrainerCallback

    from toolkit.plugin import Plugin


@dataclass(frozen=True)
class MethodContext:
    """What a method may look at: the plugin, its splits, the seed.

    raw: rows as they were read. prepared: the same as the model takes them; a method may add
    columns. say: prints what takes time. report: what was done, for run.json. load_run: a run's
    folder -> its plugin with the trained model. cache: where features are kept; None is the cache
    of `datasets`.
    """

    plugin: Plugin[Any]
    raw: Mapping[str, datasets.Dataset]
    prepared: dict[str, datasets.Dataset]
    seed: int
    say: Callable[[str], None] = lambda text: None
    report: dict[str, Any] = field(default_factory=dict)
    load_run: Callable[[Path], Plugin[Any]] | None = None
    cache: Path | None = None

    def first_batch(self, model: Any) -> Any:
        """Return two training rows as the model takes them, labels included."""
        from toolkit.evaluation.batches import batch_maker, records

        make = batch_maker(self.plugin, model, with_labels=True)
        return make(records(self.prepared["train"], range(min(2, len(self.prepared["train"])))))


class Method(Part, ABC):
    """Prepares a model for training; its fields are its settings in the recipe.

    card_note: what the reader of an adapter's model card must know, as Markdown.
    from_scratch: whether it can train a model that has not been pretrained.
    """

    card_note: ClassVar[str] = ""
    from_scratch: ClassVar[bool] = False

    @abstractmethod
    def apply(self, model: Any, context: MethodContext) -> Any:
        """Return the model to train (the same object, or one wrapped around it).

        Where no parameter of it needs a gradient, nothing is left to train.
        """

    def models(self) -> list[str]:
        """Return what it needs besides the recipe's model: ids, or folders of models or runs."""
        return []

    def learning_rates(self, model: Any) -> dict[str, float]:
        """Return parameter name -> factor on the learning rate, where it is not 1."""
        return {}

    def loss(self, plugin: Plugin[Any]) -> Callable[..., Any] | None:
        """Return the loss to train with; None is the model's own."""
        return plugin.loss()

    def while_training(self, model: Any) -> AbstractContextManager[None]:
        """Return a context that holds while Trainer is made and trains."""
        return nullcontext()

    def check(self, model: Any) -> None:
        """Compare the settings with the model, before anything is trained.

        Raises:
            RecipeError: they do not fit it.
        """

    def base(self, model: Any) -> Any:
        """Return the base of an adapter, made from the pretrained model; also when reloaded."""
        return model

    def dense(self, model: Any) -> Any:
        """Return what `base` made with ordinary layers, as merging needs them."""
        return model

    def callbacks(self) -> list[TrainerCallback]:
        """Return what the method has to do while the Trainer trains."""
        return []
