"""Whether two predictions of one row are the same, but for what computers round differently."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from toolkit.plugin_types.values import PredictionFile
from toolkit.utils.pictures import FORMATS

MARGIN = 1e-3  # a decision nearer than this (in probability) to another one may become it
PROBABILITY = 1e-2  # by how much probabilities may differ
RELATIVE = 1e-3  # of the larger one of two other numbers, or of the largest in their list
ABSOLUTE = 1e-5  # of numbers near 0
PIXELS = 0.01  # share of an image's values that may differ
#: Keys of predictions that say how sure a prediction is, and not what it is.
CONFIDENCES = ("score", "scores", "probability", "probabilities", "confidence", "confidences")


def same(one: Mapping[str, Any], other: Mapping[str, Any], margin: Any, others: Any) -> bool:
    """Compare two predictions; another text, list or whole number counts where a decision is close.

    Args:
        margin, others: what `Plugin.decision_margin` says of each: a number, or one by key.
    """
    if not isinstance(margin, Mapping) or not isinstance(others, Mapping):
        return equal(one, other, bool(min(margin, others) <= MARGIN))

    def close(key: str) -> bool:
        return bool(min(found.get(key, found[""]) for found in (margin, others)) <= MARGIN)

    return one.keys() == other.keys() and all(
        equal(one[key], other[key], close(key), key in CONFIDENCES) for key in one
    )


def equal(
    one: Any, other: Any, close: bool = False, probability: bool = False, scale: float = 0.0
) -> bool:
    """Compare two values: numbers within the tolerances of this module, everything else exactly.

    Args:
        close: accept other texts, whole numbers and lists. probability: what numbers are.
        scale: a size beside which small differences do not count, whatever the values.
    """
    if isinstance(one, int) and isinstance(other, int):  # a position or a count, not measured
        return one == other or close
    if isinstance(one, int | float) and isinstance(other, int | float):
        largest = max(abs(one), abs(other), scale)
        allowed = PROBABILITY if probability else max(RELATIVE * largest, ABSOLUTE)
        return abs(one - other) <= allowed or one == other or (one != one and other != other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        shares = probability or _is_distribution(one)
        return one.keys() == other.keys() and all(
            equal(one[key], other[key], close, shares or key in CONFIDENCES, scale) for key in one
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        size = max([scale, *(abs(v) for v in (*one, *other) if isinstance(v, float) and v == v)])
        return all(equal(a, b, close, probability, size) for a, b in zip(one, other, strict=True))
    if isinstance(one, PredictionFile) and isinstance(other, PredictionFile):
        return one.suffix == other.suffix and (close or same_content(one, other))
    return bool(one == other) or close


def answer(prediction: Any) -> Any:
    """Return a prediction without its confidences; its label (or labels) stands for all of it."""
    if isinstance(prediction, Mapping) and ("label" in prediction or "labels" in prediction):
        return prediction.get("label", prediction.get("labels"))
    return _without_confidences(prediction)


def _without_confidences(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_confidences(v) for k, v in value.items() if k not in CONFIDENCES}
    return list(map(_without_confidences, value)) if isinstance(value, list) else value


def same_content(one: PredictionFile, other: PredictionFile) -> bool:
    """Compare two files: images by their pixels, wav files by their samples, others by bytes."""
    first, second = one.read(), other.read()
    if first == second:
        return True
    try:
        a, b = (_values(one.suffix.lower(), content) for content in (first, second))
    except Exception:  # no such file, and decoders raise whatever they raise
        return False
    if a is None or b is None or a.shape != b.shape:
        return False
    if one.suffix.lower() == ".wav":
        return bool(abs(a - b).max(initial=0) <= RELATIVE * max(abs(a).max(initial=0), 1))
    return bool((a != b).mean() <= PIXELS)


def _values(suffix: str, content: bytes) -> Any:
    import numpy as np

    if suffix == ".wav":
        import wave

        with wave.open(io.BytesIO(content)) as file:
            width = file.getsampwidth()
            if width != 2:
                return None
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int64)
    if suffix in (".png", ".bmp", ".tif", ".tiff", ".gif"):
        from PIL import Image

        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return np.asarray(image)
    return None


def _is_distribution(values: Mapping[str, Any]) -> bool:
    numbers: Sequence[Any] = list(values.values())
    if len(numbers) < 2 or not all(isinstance(n, float) and 0 <= n <= 1 for n in numbers):
        return False
    return bool(abs(sum(numbers) - 1) <= PROBABILITY)


def usual_margin(prediction: Mapping[str, Any]) -> float:
    """Return the difference of the two largest values in the first mapping of numbers, or inf."""
    for value in prediction.values():
        if isinstance(value, Mapping) and len(value) > 1:
            numbers = [v for v in value.values() if isinstance(v, int | float)]
            if len(numbers) == len(value):
                first, second, *_ = sorted(numbers, reverse=True)
                return float(first - second)
    return float("inf")
