"""The parts of a model, found from the model itself: blocks, below, above, head, projections.

Nothing here knows a model's name. Blocks are the items of the list that holds most parameters;
what is registered before the first of them is below, what comes after the last is above.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ModelStructure:
    """The parts of a model; all names are those of `named_modules`.

    blocks: the repeated parts (layers) in forward order; an encoder's before its decoder's.
    depths: parameter name -> 0 below the blocks, i in the i-th block (counted from 1) or between it
        and the next one, one more than there are blocks above them.
    head: what makes the logits; empty for a model without a head.
    above: modules between the last block and the head (final norm, pooler).
    """

    blocks: tuple[str, ...]
    depths: Mapping[str, int]
    head: tuple[str, ...]
    above: tuple[str, ...]

    @property
    def below(self) -> tuple[str, ...]:
        """Parameters below the blocks: embeddings, patch embedding, stem."""
        return tuple(name for name, depth in self.depths.items() if not depth)


def find_structure(model: Any) -> ModelStructure:
    """Return the structure of a model; one without any list of modules has no blocks."""
    head = head_modules(model)
    blocks = block_names(model, head)
    depths = _depths(model, blocks, head)
    upper = {name for name, depth in depths.items() if depth > len(blocks) > 0}
    above: list[str] = []
    for name, module in model.named_modules():
        inside = {parameter for parameter, _ in module.named_parameters(prefix=name)}
        if name and inside and inside <= upper and not _within(name, (*head, *above)):
            above.append(name)
    return ModelStructure(blocks, depths, head, tuple(above))


def block_names(model: Any, head: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the names of the blocks: in each sub-model the items of its largest list.

    A sub-model is a PreTrainedModel inside the model: encoder and decoder, or two towers. Items of
    one class whose shapes differ and that each hold a uniform list themselves are stages (Swin,
    ConvNext, ResNet); the blocks are then those of the stages.
    """
    from transformers import PreTrainedModel

    best: dict[str, tuple[int, str]] = {}
    for name, module in _lists(model):
        if _within(name, head):
            continue
        owner = name
        while owner:
            owner = owner.rpartition(".")[0]
            if isinstance(model.get_submodule(owner), PreTrainedModel):
                break
        size = _size(module)
        if size > best.get(owner, (0, ""))[0]:
            best[owner] = (size, name)
    return tuple(block for _, name in best.values() for block in _items(model, name))


def head_modules(model: Any) -> tuple[str, ...]:
    """Return what makes the logits: what is outside the base model.

    Where the base model is the model itself, it is all beside its backbone, if it has one
    (UPerNet); else what is registered behind the part that holds the last block, unless
    transformers knows the class as a model without a head.
    """
    from transformers import MODEL_MAPPING

    children = [name for name, child in model.named_children() if _size(child)]
    base = getattr(model, "base_model", model)
    if base is not model:
        return tuple(name for name in children if getattr(model, name) is not base)
    mapping: Any = MODEL_MAPPING
    bare = mapping.get(type(getattr(model, "config", None)), ())
    if type(model) in (bare if isinstance(bare, tuple) else (bare,)):
        return ()
    backbones = [name for name in children if _is_backbone(getattr(model, name))]
    if len(backbones) == 1:
        return tuple(name for name in children if name not in backbones)
    blocks = block_names(model)
    last = blocks[-1].partition(".")[0] if blocks else ""
    return tuple(children[children.index(last) + 1 :] if last in children else children[-1:])


def _is_backbone(module: Any) -> bool:
    """Return whether a module is the backbone of a larger model, one that a plugin brings, too."""
    from transformers import MODEL_FOR_BACKBONE_MAPPING
    from transformers.backbone_utils import BackboneMixin

    mapping: Any = MODEL_FOR_BACKBONE_MAPPING
    brought = mapping.get(type(getattr(module, "config", None)), None)
    return isinstance(module, BackboneMixin) or type(module) is brought


def linear_layers(model: Any, holders: tuple[str, ...]) -> list[str]:
    """Return the linear layers inside some modules (blocks, head), GPT-2's Conv1D among them."""
    return [n for n, m in model.named_modules() if is_linear(m) and _within(n, holders)]


def attention_layers(model: Any, found: ModelStructure) -> dict[str, list[str]]:
    """Return the outermost attention module -> its projections, the one of its output last.

    transformers calls the classes of such modules ...Attention, whatever the model; what is found
    is the linear layers in them, however they are named, fused or split.
    """
    layers: dict[str, list[str]] = {}
    for name in linear_layers(model, found.blocks):
        block = next(block for block in found.blocks if _within(name, (block,)))
        path = name.split(".")
        for end in range(block.count(".") + 2, len(path)):
            holder = ".".join(path[:end])
            if "attention" in type(model.get_submodule(holder)).__name__.lower():
                layers.setdefault(holder, []).append(name)
                break
    return layers


def widths(module: Any) -> tuple[int, int]:
    """Return how many features a linear layer takes and gives."""
    if hasattr(module, "in_features"):
        return int(module.in_features), int(module.out_features)
    return int(module.weight.shape[0]), int(module.weight.shape[1])  # Conv1D stores it transposed


def is_linear(module: Any) -> bool:
    """Return whether a module is a linear layer, as peft takes it."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, nn.Linear | Conv1D)


def _lists(module: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the outermost lists of modules: any ModuleList, a Sequential of equal parts."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if _is_list(child):
            yield path, child
        else:
            yield from _lists(child, f"{path}.")


def _is_list(module: Any, uniform: bool = False) -> bool:
    from torch import nn

    same = len({type(item) for item in module.children()}) == 1
    if isinstance(module, nn.Sequential):
        return same and any(next(item.children(), None) is not None for item in module)
    return isinstance(module, nn.ModuleList) and len(module) > 0 and (same or not uniform)


def _items(model: Any, name: str) -> list[str]:
    """Return the items of a list, or those of the lists in its items where these are stages."""
    items = list(model.get_submodule(name))
    own = _children(model, name)
    shapes = {tuple(tuple(p.shape) for p in item.parameters()) for item in items}
    if len({type(item) for item in items}) > 1 or len(shapes) == 1:
        return own
    inner = [_inner_list(item, path) for item, path in zip(items, own, strict=True)]
    if not all(inner):
        return own
    return [block for path in inner for block in _children(model, path)]


def _children(model: Any, name: str) -> list[str]:
    return [f"{name}.{child}" for child, _ in model.get_submodule(name).named_children()]


def _inner_list(item: Any, path: str) -> str:
    """Return the name of the largest uniform list in a stage, or "" where it has none."""
    if _is_list(item, uniform=True):
        return path
    lists = [(_size(m), n) for n, m in _lists(item, f"{path}.") if _is_list(m, uniform=True)]
    return max(lists, default=(0, ""))[1]


def _depths(model: Any, blocks: tuple[str, ...], head: tuple[str, ...]) -> dict[str, int]:
    from torch import nn

    places = {block: place for place, block in enumerate(blocks, 1)}
    embeddings = [n for n, m in model.named_modules() if isinstance(m, nn.Embedding)]
    depths, reached = {}, 0
    for name, _ in model.named_parameters():
        block = next((b for b in blocks if _within(name, (b,))), None)
        if block is not None:
            reached = depths[name] = places[block]
        elif _within(name, head) or (head and "." not in name):
            depths[name] = len(blocks) + 1  # a parameter of the model's own weighs its layers
        elif _within(name, embeddings):
            depths[name] = 0  # wherever it is registered: a decoder's, or one for distances
        else:
            depths[name] = reached + (reached == len(blocks))
    return depths


def _within(name: str, holders: Any) -> bool:
    return any(name == holder or name.startswith(f"{holder}.") for holder in holders)


def _size(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def training_flops(model: Any) -> float | None:
    """Return the FLOPs of training on one token: 6 for each parameter but those of embeddings.

    Kaplan et al. 2020, https://arxiv.org/abs/2001.08361: attention itself is left out. None where
    only a part is trained, which costs less by an amount that this does not know.
    """
    import torch

    weights = dict.fromkeys(model.parameters())
    if not all(weight.requires_grad for weight in weights):
        return None
    tables = {part.weight for part in model.modules() if isinstance(part, torch.nn.Embedding)}
    return 6.0 * sum(int(weight.numel()) for weight in weights if weight not in tables)
