"""Options of translation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from toolkit.plugin_types import Column, TextColumn
from toolkit.tasks.generation import GenerationOptions

TargetTextColumn = Annotated[str, Column("target", kind="text")]


class TranslationOptions(GenerationOptions):
    """Options of translation."""

    source: TextColumn = Field("source", description="column of the text to translate")
    target: TargetTextColumn = Field(
        "target", description="column of its translation, or of a list of translations"
    )
    tokenize: Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"] | None = Field(
        None, description="how BLEU splits words (sacrebleu's names); by default that of the "
                          "target language, 13a for most",
    )  # fmt: skip
