"""BLEU, chrF and TER of generated texts, by sacrebleu: its counts of each row, and its formulas.

sacrebleu (Post, A Call for Clarity in Reporting BLEU Scores, 2018) sums counts of sentences and
computes the score from the sums. Both halves are its own, here as in its tests of significance, so
that a score is the one its command line prints, and resamples cost a formula each.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.errors import UserError
from toolkit.evaluation.metrics.base import Floats
from toolkit.evaluation.metrics.generation import reference_texts, text_of
from toolkit.evaluation.metrics.sums import SumMetric
from toolkit.utils.packages import extra

#: Of BLEU: how a text is split into words. "13a" is that of WMT's campaigns, for languages with
#: spaces; "char" compares characters.
TOKENIZERS = ("13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none")


class SacreBleuMetric(SumMetric):
    """A score of sacrebleu, 0 to 100. A row has one reference, or several, not all as many.

    Args:
        key: of a prediction, where its text is. evaluate_kwargs: as `evaluate.Metric` takes them.

    Raises:
        UserError: sacrebleu is not installed, or lacks a tokenizer's package.
    """

    bounds = (0.0, 100.0)

    def __init__(self, key: str, **evaluate_kwargs: Any) -> None:
        self.key = key
        super().__init__(**evaluate_kwargs)
        self.scorer = self._made()  # at once: what is missing is told before a training

    @abstractmethod
    def make(self, library: Any) -> Any:
        """Return the scorer. library: the module `sacrebleu.metrics`."""

    def _made(self) -> Any:
        try:
            import sacrebleu.metrics
        except ImportError:
            what = f"BLEU, chrF and TER need sacrebleu: {extra('generation')}"
            raise UserError(what) from None
        return self.make(sacrebleu.metrics)

    def counts(self, prediction: Any, reference: Any) -> Sequence[float] | None:
        """Return sacrebleu's counts of a row, and last how many references it has."""
        references = reference_texts(reference)
        if not references:
            return None
        streams = [[text] for text in references]
        (found,) = self.scorer._extract_corpus_statistics([text_of(prediction, self.key)], streams)
        return [*found, len(references)]

    def value(self, sums: Floats) -> float:
        """Return sacrebleu's score for summed counts."""
        return float(self.scorer._compute_score_from_stats(sums[:-1].tolist()).score)

    def notes(self, rows: Floats) -> dict[str, Any]:
        """Return the signature: all that has to be equal for two scores to be comparable."""
        counts = np.unique(rows[:, -1])
        number = int(counts[0]) if len(counts) == 1 else -1  # sacrebleu's sign for "var"
        self.scorer.num_refs = number
        return {"signature": self.scorer.get_signature().format()}


class Bleu(SacreBleuMetric):
    """BLEU: precision of runs of one to four words, less for output that is too short, 0 to 100.

    Upper and lower case differ. A single row, which has no four words in common by chance, is
    scored by the lengths of runs that it has (sacrebleu's effective order).

    Args:
        tokenize: one of `TOKENIZERS`.
    """

    source = "Papineni et al., BLEU, 2002; Post, A Call for Clarity, 2018"

    def __init__(self, key: str, tokenize: str = "13a", **evaluate_kwargs: Any) -> None:
        self.tokenize = tokenize
        super().__init__(key, **evaluate_kwargs)

    def make(self, library: Any) -> Any:
        try:
            return library.BLEU(tokenize=self.tokenize)
        except (RuntimeError, ImportError) as error:  # a tokenizer that needs a package of its own
            part = self.tokenize.partition("-")[0]
            what = (
                f"BLEU with the tokenizer {self.tokenize!r} needs a package: pip install "
                f"'sacrebleu[{part}]'; or compare characters ('char')"
            )
            raise UserError(what) from error

    def statistic(self, rows: Floats, weights: Floats) -> float:
        alone = len(rows) > 1 and np.count_nonzero(weights) == 1
        if not alone:
            return super().statistic(rows, weights)
        order, self.scorer.effective_order = self.scorer.effective_order, True
        try:
            return super().statistic(rows, weights)
        finally:
            self.scorer.effective_order = order


class Chrf(SacreBleuMetric):
    """chrF2: F score of runs of one to six characters, recall counting twice, 0 to 100.

    It splits no words, and is hence the same for all languages.
    """

    source = "Popović, chrF, 2015"

    def make(self, library: Any) -> Any:
        return library.CHRF()


class Ter(SacreBleuMetric):
    """Translation edit rate: edits (shifts of phrases too) per 100 words of the reference.

    Its time grows with the square of a text's words. Case is ignored, as in Tercom.
    """

    greater_is_better = False
    bounds = (0.0, float("inf"))
    source = "Snover et al., A Study of Translation Edit Rate, 2006"

    def make(self, library: Any) -> Any:
        return library.TER()
