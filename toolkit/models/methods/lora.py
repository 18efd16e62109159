"""Low-rank updates beside frozen weights (Hu et al. 2021, "LoRA", arXiv 2106.09685)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from toolkit.models.methods.adapter import Adapter

if TYPE_CHECKING:
    import peft


class Lora(Adapter):
    """Adds B·A, of rank `rank`, to each target layer's weight; scaled by alpha / rank.

    rank: rank of the update matrices. alpha: scale of the updates; by default twice the rank.
    dropout: dropout rate on the adapters' inputs.
    """

    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[int, Field(ge=1)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    decomposed: ClassVar[bool] = False

    def config(self, model: Any) -> peft.PeftConfig:
        """Return peft's LoraConfig."""
        import peft

        return peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha or 2 * self.rank,
            lora_dropout=self.dropout,
            use_dora=self.decomposed,
            **self.common(model),
        )


class Dora(Lora):
    """Learns a weight's direction and its magnitude apart (Liu et al. 2024, arXiv 2402.09353).

    As lora, with one magnitude per output: nearer to full fine-tuning at small ranks, slower.
    """

    decomposed: ClassVar[bool] = True
