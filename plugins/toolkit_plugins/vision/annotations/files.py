"""Finding the files of a folder of annotated images, and reading json, xml and text safely."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from toolkit.data.sources import split_named
from toolkit_plugins.vision.images import SUFFIXES

DEEPEST = 8  # folders below the source in which files are looked for
BESIDE = ("images", "JPEGImages", "data", "img", "imgs")
HEAD = 1 << 16


class FileError(Exception):
    """A file that cannot be read as what it should be; the text says why."""


class Tree:
    """The files below a folder, without hidden ones, in the order of their paths."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def files(self) -> list[Path]:
        """All files; links are followed, each folder is entered once."""
        return sorted(_walk(self.root))

    @cached_property
    def images(self) -> list[Path]:
        """All image files."""
        return [path for path in self.files if is_image(path)]

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        """File name in lower case -> images."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.images:
            found[path.name.lower()].append(path)
        return found

    @cached_property
    def by_stem(self) -> dict[str, list[Path]]:
        """Stem in lower case -> images."""
        found: dict[str, list[Path]] = defaultdict(list)
        for path in self.images:
            found[path.stem.lower()].append(path)
        return found

    def ending(self, *suffixes: str) -> list[Path]:
        """Return the files with one of the suffixes."""
        return [path for path in self.files if path.suffix.lower() in suffixes]

    def split_of(self, path: Path) -> str:
        """Return the split that a folder on the way to a file names; "" where none does."""
        if not path.is_relative_to(self.root):
            return ""
        parts = path.relative_to(self.root).parts[:-1]
        return next((split for part in reversed(parts) if (split := folder_split(part))), "")


def folder_split(name: str) -> str:
    """Return the split that the name of a folder is ("train2017", "valid"); "" otherwise."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    rest = [word for word in words if word not in ("images", "labels", "image", "label", "img")]
    return (split_named(name) or "") if len(rest) == 1 else ""


def _walk(root: Path) -> Iterator[Path]:
    seen = set()
    for folder, inside, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        depth = len(Path(folder).relative_to(root).parts)
        if real in seen or depth > DEEPEST:
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(n for n in inside if not n.startswith((".", "__MACOSX")))
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def is_image(path: Path) -> bool:
    """Return whether a file has the suffix of an image."""
    return path.suffix.lower() in SUFFIXES


class Images:
    """Finds the images that annotations name, wherever these lie.

    Paths in annotation files are often of another machine, and must not lead elsewhere: they are
    looked up below the given folders, whole at first, then with fewer and fewer folders.

    Args:
        near: the folder of the annotation file: all below it is looked through, and the usual
            folders beside it.
        folders: others (the source, and what the options name), with all that is below.
    """

    def __init__(self, near: Path, folders: Iterable[Path | None] = ()) -> None:
        self.near = near
        self._roots = list(dict.fromkeys(folder for folder in folders if folder is not None))
        self._known: dict[Path, dict[str, Path]] = {}
        self._trees = [Tree(root) for root in dict.fromkeys([*self._roots, near])]

    @cached_property
    def _bases(self) -> list[Path]:
        """Folders to which names may be relative."""
        found: list[Path] = []
        for base in [*self._roots, self.near, self.near.parent]:
            found += [base, *(base / name for name in BESIDE)]
        return [folder for folder in dict.fromkeys(found) if folder.is_dir()]

    def find(self, name: str, split: str = "", hint: str = "") -> Path | None:
        """Return the image of a name; None where there is none, or several.

        Args:
            split: prefers a folder of it. hint: the stem of the annotation file ("train2017").
        """
        parts = parts_of(name)
        if not parts:
            return None
        around = [base / sub for base in self._bases for sub in _folders(split, hint)]
        for start in range(len(parts)):
            tail = Path(*parts[start:])
            for base in [*around, *self._bases] if start == len(parts) - 1 else self._bases:
                if _is_file(base / tail):
                    return base / tail
        return self._anywhere(parts, split, "by_name")

    def of_stem(self, stem: str, folder: Path, split: str = "") -> Path | None:
        """Return the image with a stem, beside the annotation first, else where it is alone."""
        for base in (folder, *(folder.parent / name for name in BESIDE)):
            if found := self._stems(base).get(stem.lower()):
                return found
        return self._anywhere((stem,), split, "by_stem")

    def _stems(self, folder: Path) -> dict[str, Path]:
        """Return stem in lower case -> image of a folder, which is listed once."""
        if folder not in self._known:
            there = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
            there.sort(key=lambda path: path.suffix.lower() in SUFFIXES[:3])  # the usual ones last
            self._known[folder] = {path.stem.lower(): path for path in there if is_image(path)}
        return self._known[folder]

    def _anywhere(self, parts: tuple[str, ...], split: str, index: str) -> Path | None:
        for tree in self._trees:
            found = getattr(tree, index).get(parts[-1].lower(), [])
            if len(found) > 1 and split:
                found = [path for path in found if tree.split_of(path) == split] or found
            if len(found) == 1:
                return Path(found[0])
            if found:  # several of one name: none of them is certain
                return None
        return None


def _folders(split: str, hint: str) -> list[str]:
    names = {"train": ["train"], "validation": ["val", "valid", "validation"], "test": ["test"]}
    word = hint.rpartition("_")[2]
    return [name for name in [*([word] if word else []), *names.get(split, [])] if name]


def _is_file(path: Path) -> bool:
    try:
        return os.path.isfile(path)
    except (OSError, ValueError):
        return False


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a path or URL as an annotation has it, without drive, ".." and root."""
    name = name.strip()
    if re.match(r"[a-z][a-z0-9+]*://", name, re.IGNORECASE) or "?" in name:
        url = urlsplit(name)
        inner = parse_qs(url.query).get("d", [""])[0]  # /data/local-files/?d=folder/name.jpg
        name = unquote(inner or url.path)
    name = re.sub(r"^[A-Za-z]:", "", name.replace("\\", "/")).replace("\0", "")
    return tuple(p for p in PurePosixPath(name).parts if p not in ("/", "//", "..", "."))


def text_of(path: Path) -> str:
    """Return a text file in UTF-8 (with or without a mark), else in Latin 1."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def head_of(path: Path) -> str:
    """Return the beginning of a file, to see what it is."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD).decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return ""


def json_of(path: Path) -> Any:
    """Return the content of a json file.

    Raises:
        FileError: it is none.
    """
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(f"is no json: {str(error).splitlines()[0]}") from None


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Builds a tree; refuses a DOCTYPE where it begins, before any of its entities is read."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise FileError("has a DOCTYPE, which annotations do not need: remove it")


def xml_of(path: Path) -> ElementTree.Element:
    """Return the root of an xml file; one with a DOCTYPE (entities) is refused.

    The parser finds it, since the bytes of a DOCTYPE differ between encodings.

    Raises:
        FileError: it is none.
    """
    try:
        parser = ElementTree.XMLParser(target=_WithoutDoctype())  # noqa: S314 - hence no entities
        return ElementTree.fromstring(path.read_bytes(), parser)  # noqa: S314
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise FileError(f"is no xml: {str(error).splitlines()[0]}") from None
