"""What all adapters share: their target layers, and the modules trained and saved whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from toolkit.errors import Fault, RecipeError
from toolkit.models import frozen, structure
from toolkit.models.method import Method, MethodContext
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import peft


class Adapter(Method):
    """Small trainable layers on a frozen model (peft); the head is trained and saved with them.

    head: "random" or "probe", as for method `full`; the head is fitted before the adapters come.
    base_dropout: keep the pretrained model's dropout. With MiniLM it costs 15% of the time and a
        third of the activations' memory; few parameters overfit little without it.
    target_modules: "attention" (its projections, or all linear layers where a block has no
        attention), "all-linear" (of the blocks), or names of layers, as peft takes them.
    modules_to_save: names of modules that are trained whole; where not given, the head and what
        is between the blocks and it (pooler, final norm), which a checkpoint may lack. A
        pretrained language model's output layer is left as it is.
    """

    head: Literal["random", "probe"] = "random"
    base_dropout: bool = False
    target_modules: Literal["attention", "all-linear"] | list[str] = "attention"
    modules_to_save: list[str] | None = None

    def apply(self, model: Any, context: MethodContext) -> Any:
        """Return the model wrapped by peft: its own parameters frozen, the adapters' trainable."""
        import peft
        from peft.tuners.tuners_utils import BaseTunerLayer

        from toolkit.utils.logging import quiet_peft

        if self.head == "probe":
            from toolkit.models.linear_probe import fit_head

            fit_head(model, context)
        model.requires_grad_(False)
        if not self.base_dropout:
            frozen.without_dropout(model)
        frozen.half_stream(model, structure.find_structure(model).blocks)
        config = self.config(model)
        with quiet_peft():
            wrapped = peft.get_peft_model(self.base(model), config)
        frozen.freeze_statistics(wrapped)
        for module in wrapped.modules():
            if isinstance(module, BaseTunerLayer):
                # Autocast sees to it: peft would go by way of fp32 first.
                module.cast_input_dtype_enabled = False  # type: ignore[assignment]  # untyped there
        return wrapped

    def check(self, model: Any) -> None:
        """Find the layers that the settings name.

        Raises:
            RecipeError: there are no such layers, the model is none of transformers, or peft cannot
                wrap it.
        """
        if not hasattr(getattr(model, "config", None), "to_json_string"):
            what = f"adapters are for models of transformers, and {type(model).__name__} is none"
            raise RecipeError(Fault("method", f"{what}: use full, head, partial or layerwise"))
        if lost_to_peft(model):
            what = f"peft cannot put adapters on {type(model).__name__}, whose heads share weights"
            raise RecipeError(Fault("method", f"{what}: use full, partial or layerwise"))
        self.targets(model)
        self.saved(model)

    @abstractmethod
    def config(self, model: Any) -> peft.PeftConfig:
        """Return peft's configuration of the adapter for a model."""

    def targets(self, model: Any) -> list[str]:
        """Return the full names of the layers that get an adapter.

        Raises:
            RecipeError: the model has none, or none of a name.
        """
        found = structure.find_structure(model)
        if isinstance(self.target_modules, list):
            return _named(model, self.target_modules, found)
        chosen: list[str] = []
        if self.target_modules == "attention":
            chosen += chain(*structure.attention_layers(model, found).values())
        chosen = chosen or structure.linear_layers(model, found.blocks)
        if not chosen:
            what = (
                f"{type(model).__name__} has no linear layers in its blocks for an adapter; name "
                "others with method.target_modules (lora and dora take convolutions), or take "
                "method partial or full"
            )
            raise RecipeError(Fault("method", what))
        return chosen

    def common(self, model: Any) -> dict[str, Any]:
        """Return what every configuration of peft takes."""
        targets = self.targets(model)
        first = model.get_submodule(targets[0])
        return {
            "target_modules": targets,
            "modules_to_save": self.saved(model) or None,
            # GPT-2's Conv1D stores its weight transposed.
            "fan_in_fan_out": structure.is_linear(first) and not hasattr(first, "in_features"),
        }

    def saved(self, model: Any) -> list[str]:
        """Return the names of the modules that are trained and saved whole.

        Raises:
            RecipeError: the model has none of a name.
        """
        found = structure.find_structure(model)
        if self.modules_to_save is None:
            if getattr(model, "get_output_embeddings", lambda: None)() is not None:
                return []
            return [*found.head, *found.above]
        names = [name for name, _ in model.named_modules() if name]
        lacking = [w for w in self.modules_to_save if not any(n.endswith(w) for n in names)]
        if lacking:
            known = {part for name in names for part in name.split(".") if not part.isdigit()}
            raise _unknown("modules_to_save", lacking, known, [*found.head, *found.above])
        return self.modules_to_save


def lost_to_peft(model: Any) -> bool:
    """Return whether peft 0.21 fails at a model: of tied weights it asks for input embeddings."""
    if not getattr(model, "_tied_weights_keys", None):
        return False
    try:
        model.get_input_embeddings()
    except NotImplementedError:
        return True
    return False


def _named(model: Any, wanted: Sequence[str], found: structure.ModelStructure) -> list[str]:
    """Return the layers whose name is, or ends with, one that is wanted: first those in blocks."""
    import torch

    types = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.Embedding)
    layers = [n for n, m in model.named_modules() if isinstance(m, types) or structure.is_linear(m)]
    fitting = {w: [n for n in layers if n == w or n.endswith(f".{w}")] for w in wanted}
    lacking = [name for name, layers_of in fitting.items() if not layers_of]
    if lacking:
        linear = [n for n in layers if structure.is_linear(model.get_submodule(n))]
        known = dict.fromkeys(n.rpartition(".")[2] for n in linear)
        raise _unknown("target_modules", lacking, layers, known)
    chosen: dict[str, None] = {}
    for names in fitting.values():
        inside = [n for n in names if any(n.startswith(f"{b}.") for b in found.blocks)]
        chosen |= dict.fromkeys(inside or names)
    return list(chosen)


def _unknown(
    key: str, lacking: Iterable[str], known: Iterable[str], shown: Iterable[str]
) -> RecipeError:
    ends = {name: None for full in known for name in (full.rpartition(".")[2], full)}
    what = "linear layers" if key == "target_modules" else "head and the modules before it"
    has = f"Its {what}: {listing(shown)}."
    lines = [f"the model has no {name!r}.{nearest(name, ends)} {has}" for name in lacking]
    return RecipeError([Fault(f"method.{key}", line) for line in lines])
