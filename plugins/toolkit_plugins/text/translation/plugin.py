"""Translation: a text in one language from a text in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.plugin_types import Row
from toolkit.tasks.generation import GenerationPlugin
from toolkit_plugins.text.translation.options import TranslationOptions


class Translation(GenerationPlugin[TranslationOptions]):
    """Any encoder-decoder, or a decoder by its prompt."""

    Options = TranslationOptions
    task = "translation"
    answer_key = "translation"

    def example(self) -> Row:
        """Return a sentence."""
        return {self.options.source: "A man is reading a newspaper on a bench."}

    def metrics(self) -> Mapping[str, Any]:
        """Return the share of outputs that were cut off."""
        from toolkit.evaluation.metrics import generation

        return {"cut_off_share": generation.CutOffShare()}
