"""Local paths in what is published: reduced to their last part, home to `~`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from toolkit.utils.text import without_tokens

_PART = r"[^\s/\\'\"`|<>()\[\]{},;:]+"
# Within a text: an absolute path of two parts or more, not "and/or" or "</p>".
_WITHIN = (
    rf"(?:(?:file|sqlite):/{{2,3}}(?=/)|(?<![\w/.:<>~\\)\]-]))(?:(?:/{_PART}){{2,}}|~(?:/{_PART})+)/?"
    rf"|(?<!\w)[A-Za-z]:[\\/](?:{_PART}[\\/])+(?:{_PART})?"
)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


class LocalPaths:
    """Removes local paths from texts and values.

    Args:
        known: paths that are found whatever characters they have.

    replaced: path -> what is written instead, for all found so far.
    """

    def __init__(self, known: Iterable[str]) -> None:
        whole = {path for path in known if path != _name(path)}
        # As they are, and in Markdown.
        written = whole | {re.sub(r"([\\`*_~\[\]|#])", r"\\\1", path) for path in whole}
        exact = "|".join(map(re.escape, sorted(written, key=len, reverse=True)))
        named = rf"(?<![\w.~-])(?:{exact})(?![\w-])|" if written else ""
        self._pattern = re.compile(f"{named}{_WITHIN}")
        self.replaced: dict[str, str] = {}

    @classmethod
    def of_run(cls, path: Path, record: Mapping[str, Any], recipe: Any) -> LocalPaths:
        """Return one that knows the paths of a run: its folder, its model, its data, home."""
        model, source = record["model"], _texts(record["data"].get("source"))
        files = [text for text in _texts([record, recipe]) if _is_path(text)]
        files += [text for text in source if not text.startswith(("hub:", "plugin:"))]
        files += [model["id"]] if model["source"] == "folder" else []
        folders = (Path.home(), path, path.resolve())
        return cls([*files, *(str(folder) for folder in folders if len(folder.parts) > 1)])

    def text(self, text: str) -> str:
        """Return text without local paths and Hub tokens."""
        return self._pattern.sub(lambda found: self._instead(found[0]), without_tokens(text))

    def values(self, value: Any) -> Any:
        """Return JSON values with every text in them cleaned, keys unchanged."""
        if isinstance(value, str):
            return self.text(self._instead(value) if _is_path(value) else value)
        if isinstance(value, Mapping):
            return {key: self.values(inner) for key, inner in value.items()}
        return [self.values(inner) for inner in value] if isinstance(value, list) else value

    def _instead(self, path: str) -> str:
        return self.replaced.setdefault(path, _name(path))


def _is_path(text: str) -> bool:
    """Return whether a text is an absolute path and nothing else."""
    if "\n" in text or not text.strip("/\\~"):
        return False
    return text.startswith(("/", "~/")) or _WINDOWS.match(text) is not None


def _name(path: str) -> str:
    """Return the name of a file or folder, wherever it lies; `~` for home."""
    if path == str(Path.home()):
        return "~"
    kind = PureWindowsPath if _WINDOWS.match(path) else PurePosixPath
    return kind(path).name or "folder"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
