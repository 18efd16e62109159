"""Whether a run's model is better than its baselines, in sentences; and what its rows can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.evaluation.differences import BETTER, FEWER_ROWS, SAME_MODEL, UNCLEAR, WORSE
from toolkit.reporting.display import best_baseline
from toolkit.reporting.formatting import number, p_value, words

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
    """Yield (whether it is a warning, sentence) for each baseline, the best one first."""
    headline, verdicts = record.get("headline"), record.get("verdicts") or {}
    if not headline:
        return
    metric, more = headline["metric"], headline["greater_is_better"]
    best = best_baseline(record, metric, more)
    for baseline in sorted(verdicts, key=lambda name: name != best):
        found = verdicts[baseline]
        if metric not in found or baseline not in record["baselines"]:
            continue
        own, other = record["metrics"]["test"], record["baselines"][baseline]
        name = f"the {'best ' if baseline == best else ''}baseline {words(baseline)}"
        yield _sentence(metric, found[metric], own, other, name)
        if found[metric]["verdict"] in (BETTER, WORSE, UNCLEAR):
            yield from _disagreeing(metric, found, own, other, words(baseline))


def _sentence(
    metric: str, found: Mapping[str, Any], own: Any, other: Any, baseline: str
) -> tuple[bool, str]:
    verdict, what = found["verdict"], words(metric)
    if verdict == SAME_MODEL:
        return False, f"{baseline} is what this method trains: it is nothing to beat"
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
    metric: str, found: Mapping[str, Any], own: Any, other: Any, baseline: str
) -> Iterator[tuple[bool, str]]:
    """Yield in which metrics the rows clearly say something else than in the headline."""
    apart = [
        f"{words(name)} is {one['verdict']} ({number(own[name]['value'])} against "
        f"{number(other[name]['value'])})"
        for name, one in found.items()
        if one["verdict"] in (BETTER, WORSE) and one["verdict"] != found[metric]["verdict"]
    ]
    if apart:
        yield True, f"other scores say otherwise of {baseline}: {', '.join(apart)}"


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
        yield (f"only {count:,} test {what}: a difference between two models below about "
               f"{visible(count):.2f} will mostly not show")  # fmt: skip
    reasons: dict[str, list[str]] = {}
    for name, found in record["metrics"]["test"].items():
        if reason := found.get("no_interval"):
            reasons.setdefault(reason, []).append(words(name))
        if found.get("trials"):
            most = min(1.0, 3 / found["trials"])
            yield (f"{words(name)}: no error was made, and there may still be up to "
                   f"{100 * most:.1f}% (rule of three)")  # fmt: skip
    yield from (f"no interval for {', '.join(names)}: {why}" for why, names in reasons.items())
