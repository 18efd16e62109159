"""Translation: a text in one language from a text in another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from toolkit.plugin_types import Baseline, Prediction, ReshapedRows, Row, Shown
from toolkit.tasks.generation import GenerationPlugin
from toolkit.utils.language_codes import language
from toolkit_plugins.text.translation import formats, languages, parallel
from toolkit_plugins.text.translation.options import TranslationOptions

if TYPE_CHECKING:
    import datasets


class Translation(GenerationPlugin[TranslationOptions]):
    """Any encoder-decoder, or a decoder by its prompt."""

    Options = TranslationOptions
    task = "translation"
    answer_key = "translation"
    file_formats = parallel.FILE_FORMATS
    _pair: languages.Pair | None = None

    def reshape_rows(self, rows: datasets.Dataset, split: str) -> ReshapedRows:
        """Return a column of sources and one of targets: see `formats`."""
        options, encoding = self.options, self.recipe.data.encoding if self.recipe else "utf-8"
        columns = options.source, options.target
        found, pair = formats.reshaped(rows, split, columns, self._wanted, encoding)
        if split == "train":
            self._pair = pair
        return found

    def language_codes(self) -> tuple[str | None, str | None]:
        """Return the languages that the options name, or else those of the data."""
        options, known = self.options, self._pair or self.statistics.get("languages")
        source, target = (code or None for code in known or (None, None))
        return options.source_lang or source, options.target_lang or target

    def prompt_keys(self) -> tuple[str, ...]:
        """Return where T5's config has its prompt for these languages."""
        source, target = (language(code or "") for code in self.language_codes())
        return (f"translation_{source}_to_{target}",)

    def example(self) -> Row:
        """Return a sentence."""
        return {self.options.source: "A man is reading a newspaper on a bench."}

    def training_statistics(self) -> Mapping[str, Any]:
        """Return the languages of the data, and how BLEU splits words."""
        return {"languages": self._pair, "tokenize": self.tokenize}

    def decode(
        self, outputs: Any, rows: Sequence[Row], prepared: Sequence[Any]
    ) -> list[Prediction]:
        """Return the translations; a copy of its source says so."""
        from toolkit.evaluation.metrics.generation import is_copy

        found = super().decode(outputs, rows, prepared)
        for prediction, row in zip(found, rows, strict=True):
            if is_copy(prediction[self.answer_key], str(row[self.options.source])):
                prediction["copied"] = True
        return found

    def metrics(self) -> Mapping[str, Any]:
        """Return BLEU, chrF, what outputs look like, and TER where the recipe names it."""
        from toolkit.evaluation.metrics import generation, translation

        key = self.answer_key
        found: dict[str, Any] = {
            "bleu": translation.Bleu(key, self.tokenize), "chrf": translation.Chrf(key),
            "ter": translation.Ter(key),
            **{name: make(key) for name, make in generation.FIGURES.items()},
            "cut_off_share": generation.CutOffShare(),
        }  # fmt: skip
        if not (self.recipe and self.recipe.report.metrics):
            del found["ter"]  # which takes as long as all others
        return found

    def baselines(self) -> Iterable[Baseline]:
        """Return a copy of the source, the nearest neighbour's translation, and word by word."""
        from toolkit_plugins.text.translation import baselines

        kinds = (baselines.CopySource, baselines.NearestNeighbour, baselines.WordByWord)
        return [kind(self._pairs_of, self.answer_key) for kind in kinds]

    def show(self, row: Row, prediction: Prediction, reference: Any) -> Sequence[Shown]:
        """Return source, translation and reference side by side, differences marked."""
        from toolkit.tasks.generation.shown import side_by_side

        source, output = str(row[self.options.source]), prediction[self.answer_key]
        return [side_by_side(source, output, reference, ("source", "translation", "reference"))]

    def notes(self) -> list[str]:
        """Report what is cut, and how BLEU splits words where that is not the usual way."""
        found = super().notes()
        if self.tokenize != languages.USUAL_TOKENIZER:
            found.append(f"BLEU splits words with the tokenizer {self.tokenize!r} "
                         "(options.tokenize sets another)")  # fmt: skip
        return found

    @property
    def tokenize(self) -> str:
        """How BLEU splits words: as the options say, or by the targets' language or script."""
        known = self.options.tokenize or self.statistics.get("tokenize")
        if known:
            return str(known)
        texts: list[str] = []
        if self.data is not None and self.target in self.data["train"].column_names:
            few = self.data["train"].select(range(min(1000, len(self.data["train"]))))
            texts = self.target_texts(few[:]) or []
        return languages.tokenizer(self.options.target_lang or (self._pair or ("", ""))[1], texts)

    @property
    def _wanted(self) -> languages.Wanted:
        """The codes of source and target in the data, where they are known."""
        known = self._pair or self.statistics.get("languages")
        if known:
            return known[0] or None, known[1] or None
        return self.options.source_lang, self.options.target_lang

    def _pairs_of(self, rows: Sequence[Row]) -> list[tuple[str, str]]:
        """Return source and target of rows, of several targets the first."""
        columns = {name: [row.get(name) for row in rows] for name in rows[0]} if rows else {}
        if not rows:
            return []
        targets = self.target_texts(columns) or [""] * len(rows)
        return list(zip(self.source_texts(columns), targets, strict=True))
