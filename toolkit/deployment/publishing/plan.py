"""What is published of a run: files, where each goes, and what stays here and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.utils.text import listing


@dataclass(frozen=True)
class Item:
    """One file: its path in the repository, its content (or where that is), what it was here.

    how: what has become of it on the way.
    """

    path: str
    content: Path | bytes
    source: str
    how: str = ""

    @property
    def size(self) -> int:
        """Bytes."""
        content = self.content
        return len(content) if isinstance(content, bytes) else content.stat().st_size


@dataclass
class Plan:
    """All that is published of a run.

    left_out: path in the run's folder -> why it stays here. paths: of this machine -> what is
    written instead. notes: what whoever publishes should know.
    """

    items: list[Item] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(item.size for item in self.items)


def in_words(found: Plan) -> Iterator[str]:
    """Yield a line for each file, with its bytes, then what stays here, and what is changed."""
    for item in sorted(found.items, key=lambda item: item.path):
        how = f"  ({item.how})" if item.how else ""
        yield f"{item.size:>14,}  {item.path}{how}"
    yield f"{found.size:>14,}  bytes in {len(found.items)} files"
    reasons: dict[str, list[str]] = {}
    for path, why in found.left_out.items():
        reasons.setdefault(why, []).append(path)
    yield from (f"not sent: {listing(paths, 8)}: {why}" for why, paths in reasons.items())
    yield from (f"written as {name}: {path}" for path, name in found.paths.items())
    yield from (f"note: {note}" for note in found.notes)
