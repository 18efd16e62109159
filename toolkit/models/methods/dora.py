"""LoRA on a weight's direction, its magnitude learned apart (Liu et al. 2024, arXiv 2402.09353)."""

from __future__ import annotations

from typing import ClassVar

from toolkit.models.methods.lora import Lora


class Dora(Lora):
    """As lora, and one magnitude per output: nearer to full fine-tuning at small ranks, slower."""

    decomposed: ClassVar[bool] = True


METHOD = Dora
