"""Whether a run's model is better than its baselines, in sentences; and what its rows can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.evaluation.differences import (
    BETTER,
    FEWER_ROWS,
    UNCLEAR,
    WORSE,
)
from toolkit.reporting.display import best_baseline
from toolkit.reporting.formatting import number, p_value, sentence, words
from toolkit.utils.text import listing

FEW_ROWS = 100  # of test, or groups of them
#: Share of the rows that only one of two models has right, and the sum of the quantiles of a
#: two-sided test at 5% and of a power of 80%, by which `visible` is computed.
DISCORDANT, QUANTILES = 0.2, 1.96 + 0.84


def visible(units: int) -> float:
    """Return from which difference in accuracy on two models differ visibly, in four cases of five.

    Connor, Sample Size for Testing Differences in Proportions for the Paired-Sample Design
    (Biometrics 43, 1987), for models that are apart in a fifth of the rows.
    """
    return min(1.0, QUANTILES * math.sqrt(DISCORDANT / units)) if units else 1.0


def sentences(record: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """Yield (whether it is a warning, sentence) on the best baseline, then on the others."""
    headline, verdicts = record.get("headline"), record.get("verdicts") or {}
    if not headline:
        return
    metric, more = headline["metric"], headline["greater_is_better"]
    own, baselines = record["metrics"]["test"], record["baselines"]
    found = {name: scores for name, scores in verdicts.items()
             if metric in scores and name in baselines}  # fmt: skip
    best = best_baseline(record, metric, more)
    if best is not None and best in found:
        verdict = found.pop(best)
        yield _sentence(metric, verdict[metric], own, baselines[best], "best baseline", best)
        if verdict[metric]["verdict"] != FEWER_ROWS:
            yield from _disagreeing(metric, verdict, own, baselines[best])
    beaten = [name for name, one in found.items() if one[metric]["verdict"] == BETTER]
    if beaten:
        yield False, f"{words(metric)} is better than that of {listing(map(words, beaten))}"
    for name in (name for name in found if name not in beaten):
        yield _sentence(metric, found[name][metric], own, baselines[name], "baseline", name)
    if same := [name for name, scores in verdicts.items() if not scores]:
        yield False, f"{listing(map(words, same))} is what this method trains: nothing to beat"


def verdict(record: Mapping[str, Any]) -> str:
    """Return the model against the best baseline as a sentence; "" where nothing is known."""
    text = next((text for _, text in sentences(record)), "")
    return f"{sentence(text)}." if text else ""


def _sentence(
    metric: str, found: Mapping[str, Any], own: Any, other: Any, kind: str, name: str
) -> tuple[bool, str]:
    verdict, what, baseline = found["verdict"], words(metric), f"the {kind} {words(name)}"
    values = f"{number(own[metric]['value'])} against {number(other[metric]['value'])}"
    if verdict == FEWER_ROWS:
        return True, f"no verdict on {baseline} ({values}): it was fitted on fewer rows"
    if found["low"] is None:
        if found["p"] is None:
            return True, f"too few test rows for a verdict on {baseline} ({what} {values})"
        return True, f"{what} is the same as that of {baseline} on any draw of rows ({values})"
    by = (f"{values}, difference {found['difference']:+.3f} [{found['low']:+.3f}, "
          f"{found['high']:+.3f}], p {p_value(found['p'])}")  # fmt: skip
    if verdict == UNCLEAR:
        return True, f"{what} shows no clear difference from {baseline} ({by})"
    return verdict == WORSE, f"{what} is {verdict} than that of {baseline} ({by})"


def _disagreeing(
    metric: str, found: Mapping[str, Any], own: Any, other: Any
) -> Iterator[tuple[bool, str]]:
    """Yield which scores point another way than the headline does, and how surely."""
    ahead = {name: _is_ahead(one) for name, one in found.items()}
    apart = [
        f"{words(name)} {number(own[name]['value'])} against {number(other[name]['value'])} "
        f"({found[name]['verdict']})"
        for name, leads in ahead.items() if None not in (leads, ahead[metric])
        and leads != ahead[metric]
    ]  # fmt: skip
    if apart:
        yield True, f"against the best baseline other scores point another way: {listing(apart)}"


def _is_ahead(found: Mapping[str, Any]) -> bool | None:
    """Return whether the model's score is the better one, by chance or not; None if neither is."""
    difference, more = found["difference"], found["greater_is_better"]
    return (difference > 0) == more if difference and more is not None else None


def few(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what few test rows, or groups of them, cannot show, and which scores get no interval.

    Also how many errors there may be where none was made: at most three over the number of rows
    (the rule of three: Hanley and Lippman-Hand, JAMA 249, 1983).
    """
    data = record["data"]
    count, what = data["rows"]["test"], "rows"
    if group := data.get("group"):
        count, what = group["groups"].get("test", 0), f"groups of {group['column']}"
    if count < FEW_ROWS:
        yield (f"only {count:,} test {what}: a difference in shares, such as accuracy, below about "
               f"{visible(count):.2f} will mostly not show")  # fmt: skip
    reasons: dict[str, list[str]] = {}
    for name, found in record["metrics"]["test"].items():
        if (reason := found.get("no_interval")) and "calibrated_high" not in found:
            reasons.setdefault(reason, []).append(words(name))
        if found.get("trials"):
            most = min(1.0, 3 / found["trials"])
            yield (f"{words(name)}: no error was made, and there may still be up to "
                   f"{100 * most:.1f}% (rule of three)")  # fmt: skip
    yield from (f"no interval for {', '.join(names)}: {why}" for why, names in reasons.items())
