"""Words of a text, to which tags belong: found by its letters, or given."""

from toolkit.tasks.words import split

__all__ = ["joined", "split"]


def joined(words: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return words as one text, a space between two, and where each stands in it."""
    spans, start = [], 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), spans
