"""What is the same between splits, and what the starting model had seen, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Pairs = Mapping[str, Mapping[str, int | None]]
FORMS = {"exact": "exact", "normalised": "normalised", "near": "nearly equal"}
UNMEASURED = "not measured"
#: What the forms mean, for every kind of input.
MEANING = (
    "Each count has those before it. Normalised: texts without case and punctuation, images as "
    "16 x 16 grey values, payments without their time. Nearly equal: texts of eight words or more "
    "that differ in one, long texts with most runs of three words in common, images that look the "
    "same when they are saved again."
)


def lines(pairs: Pairs | None, known: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the counts by pair of splits, and of the rows that the starting model had seen.

    Args:
        pairs, known: as run.json has them below `data`.
    """
    if pairs or not known:
        unmeasured = f"{UNMEASURED}: no rows were compared"
        yield f"overlap: {_counts(pairs) if pairs else unmeasured}"
    if known:
        models = " and ".join(known["models"])
        count = f"{known['test']:,}" if known["test"] else "none"
        yield f"seen before: {count} of the test rows, in the training of {models}"


def _counts(pairs: Pairs) -> str:
    found = [
        f"{pair} " + ", ".join(f"{counts[form]:,} {FORMS[form]}" for form in FORMS
                               if counts.get(form))
        for pair, counts in pairs.items()
        if any(counts.values())
    ]  # fmt: skip
    unknown = all(counts.get("near") is None for counts in pairs.values())
    rest = f"; nearly equal rows {UNMEASURED}" if unknown else ""
    return ("; ".join(found) or "none between splits") + rest
