"""Options of translation."""

from __future__ import annotations

from typing import Annotated

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
