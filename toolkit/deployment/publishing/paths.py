"""Paths of this machine in what leaves it: of each the last part stays, of home a `~`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from toolkit.utils.text import without_tokens

_PART = r"[^\s/\\'\"`|<>()\[\]{},;:]+"
# Within a text: at least two parts from the root on, so that "and/or" and "</p>" stay.
_WITHIN = (
    rf"(?:(?:file|sqlite):/{{2,3}}(?=/)|(?<![\w/.:<>~\\)\]-]))(?:(?:/{_PART}){{2,}}|~(?:/{_PART})+)/?"
    rf"|(?<!\w)[A-Za-z]:[\\/](?:{_PART}[\\/])+(?:{_PART})?"
)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class LocalPaths:
    """Takes paths out of texts and values.

    Args:
        known: path -> what is written instead; found whatever characters stand in them.

    replaced: what has been taken out so far, and what stands there now.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = {path: name for path, name in known.items() if path != name}
        escaped = {re.sub(r"([\\`*_~\[\]|#])", r"\\\1", p): n for p, n in self._known.items()}
        self._written = {**escaped, **self._known}  # in Markdown, and as they are
        longest = sorted(self._written, key=len, reverse=True)
        exact = "|".join(map(re.escape, longest))
        named = rf"(?<![\w.~-])(?:{exact})(?![\w-])|" if longest else ""
        self._pattern = re.compile(f"{named}{_WITHIN}")
        self.replaced: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return text without paths of this machine, and without tokens of the Hub."""
        return self._pattern.sub(self._instead, without_tokens(text))

    def values(self, value: Any) -> Any:
        """Return JSON's values with every text in them changed; keys stay."""
        if isinstance(value, str):
            if value not in self._known and is_path(value):
                return self._note(value, last_part(value))
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.values(inner) for key, inner in value.items()}
        return [self.values(inner) for inner in value] if isinstance(value, list) else value

    def _instead(self, found: re.Match[str]) -> str:
        name = self._written.get(found[0])
        return self._note(found[0], last_part(found[0]) if name is None else name)

    def _note(self, path: str, name: str) -> str:
        self.replaced[path] = name
        return name


def of_run(path: Path, record: Mapping[str, Any], recipe: Mapping[str, Any]) -> LocalPaths:
    """Return what takes the paths of a run out: its folder, its model, its data, home."""
    whole = (text for value in (record, recipe) for text in _texts(value) if is_path(text))
    files = [*whole, *_sources(record["data"].get("source"))]
    if record["model"]["source"] == "folder":
        files.append(record["model"]["id"])
    home = str(Path.home())
    known = {home: "~"} if len(Path(home).parts) > 1 else {}
    for folder in (path, path.resolve()):
        if len(folder.parts) > 1:
            known[str(folder)] = folder.name
    return LocalPaths({**known, **{file: last_part(file) for file in files}})


def is_path(text: str) -> bool:
    """Return whether a text is an absolute path and nothing else."""
    if "\n" in text or not text.strip("/\\~"):
        return False
    return text.startswith(("/", "~/")) or _WINDOWS.match(text) is not None


def last_part(path: str) -> str:
    """Return the name of a file or folder, wherever it lies."""
    windows = _WINDOWS.match(path) is not None
    return (PureWindowsPath(path) if windows else PurePosixPath(path)).name or "folder"


def _sources(source: Any) -> Iterator[str]:
    """Yield the paths of a recipe's `data.source`: what is of the Hub or a plugin is none."""
    for text in _texts(source):
        if not text.startswith(("hub:", "plugin:")):
            yield text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
