"""LoRA whose ranks go where they matter (Zhang et al. 2023, "AdaLoRA", arXiv 2303.10512)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from toolkit.models.methods.lora import Lora

if TYPE_CHECKING:
    import peft
    from transformers import TrainerCallback

MEMORY = "adalora.safetensors"
AVERAGES = ("ipt", "exp_avg_ipt", "exp_avg_unc")  # of peft's RankAllocator


class Adalora(Lora):
    """Starts with rank `start_rank` everywhere, and prunes to `rank` on average over all layers.

    start_rank: rank before pruning; by default 1.5 times the rank.
    warmup: share of the steps before pruning. settle: share of the steps after pruning.
    orthogonality: weight of the penalty that keeps the factors orthogonal (added to the model's
        own loss only).
    """

    start_rank: Annotated[int, Field(ge=2)] | None = None
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    settle: Annotated[float, Field(ge=0, lt=1)] = 0.3
    orthogonality: Annotated[float, Field(ge=0)] = 0.5

    @model_validator(mode="after")
    def _has_something_to_prune(self) -> Adalora:
        if self.start_rank is not None and self.start_rank <= self.rank:
            raise ValueError("start_rank is pruned to rank, and so must be larger")
        if self.warmup + self.settle >= 1:
            raise ValueError("warmup and settle are shares of the steps; together less than 1")
        return self

    def config(self, model: Any) -> peft.PeftConfig:
        """Return peft's AdaLoraConfig; its steps are set when the Trainer knows them."""
        import peft

        return peft.AdaLoraConfig(
            init_r=self.start_rank or self.rank + (self.rank + 1) // 2,
            target_r=self.rank,
            lora_alpha=self.alpha or 2 * self.rank,
            lora_dropout=self.dropout,
            orth_reg_weight=self.orthogonality,
            total_step=1,
            **self.common(model),
        )

    def callbacks(self) -> list[TrainerCallback]:
        """Return what prunes after every step."""
        return [_pruner(self.warmup, self.settle)]


def _pruner(warmup: float, settle: float) -> TrainerCallback:
    import torch
    from safetensors.torch import save_file
    from transformers import TrainerCallback

    class Pruner(TrainerCallback):
        """Tells peft's rank allocator of every step.

        Not through AdaLoraModel.update_and_allocate: that cuts pruned ranks out of what is saved,
        and a checkpoint of before pruning then no longer fits the model it is loaded into. Here
        they stay, as zeros. What the allocator knows is kept in each checkpoint, so that a
        resumed run prunes as the whole one does.
        """

        kept: dict[str, list[bool]] | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            tuner = kwargs["model"].base_model
            config, total = tuner.peft_config[tuner.trainable_adapter_name], state.max_steps
            config.total_step = total
            config.tinit, config.tfinal = int(warmup * total), int(settle * total)
            file = Path(args.output_dir) / f"checkpoint-{state.global_step}" / MEMORY
            if file.is_file():
                self.kept = _recall(file, tuner.rankallocator, args.device)

        def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            tuner, step = kwargs["model"].base_model, state.global_step + 1
            config, allocator = tuner.peft_config[tuner.trainable_adapter_name], tuner.rankallocator
            last = config.total_step - config.tfinal
            if step <= last:
                _, kept = allocator.update_and_allocate(tuner.model, step, force_mask=step == last)
                self.kept = kept or self.kept
            elif self.kept:
                allocator.mask_using_rank_pattern(tuner.model, self.kept)

        def keep(self, checkpoint: Path, model: Any) -> None:
            allocator = model.base_model.rankallocator
            found = {f"kept {name}": torch.tensor(mask) for name, mask in (self.kept or {}).items()}
            for part in AVERAGES:
                averages = getattr(allocator, part).items()
                found |= {f"{part} {name}": tensor.contiguous() for name, tensor in averages}
            save_file(found, checkpoint / MEMORY)

    return Pruner()


def _recall(file: Path, allocator: Any, device: Any) -> dict[str, list[bool]] | None:
    from safetensors.torch import load_file

    kept: dict[str, list[bool]] = {}
    for key, tensor in load_file(file, device=str(device)).items():
        part, _, name = key.partition(" ")
        if part == "kept":
            kept[name] = tensor.tolist()
        else:
            getattr(allocator, part)[name] = tensor
    return kept or None
