"""Files of columns, a word per line: CoNLL-2002 and -2003, WNUT, GermEval, MultiCoNER, CoNLL-U.

The word is in the first column, or in the second behind numbers that count the words; the tag is in
the last one that holds tags. Columns are separated by tabs, or else by spaces; an empty line ends a
sentence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.data.text_files import check_encoding, lines
from toolkit.errors import DataError, Fault
from toolkit_plugins.text.token_classification.tags import PREFIXED, is_outside

SUFFIXES = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes", ".txt")
SHOWN = 5
MOST = 0.5  # of the cells of a column before the last one, which are tags where it is that of tags
DOCUMENT = "-DOCSTART"
NEW_DOCUMENT = re.compile(r"#\s*newdoc\b")
SPACES = re.compile(r"[ \t]+")  # not those that may be a part of a word, such as U+00A0
COUNTED = re.compile(r"\d+")
EXTRA = re.compile(r"\d+[-.]\d+")  # CoNLL-U: words written as one, words that are not written


@dataclass
class Sentence:
    """A sentence. line: of its first word. tags: empty in a file of one column."""

    line: int
    document: int
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Line:
    """A line and its columns. starts: whether no word of its sentence is before it."""

    number: int
    text: str
    cells: Sequence[str]
    starts: bool


def read(
    path: Path, encoding: str, labelled: bool, tag_column: int | None = None
) -> tuple[list[Sentence], str]:
    """Return the sentences of a file, and how it was read, for the report.

    Args:
        labelled: whether there must be tags.
        tag_column: the number of their column, from 1; by default it is found.

    Raises:
        DataError: it is no text in that encoding, has no words, no tags or no such column, or lines
            with more or fewer columns than most.
    """
    check_encoding(path, encoding)
    found = list(_lines(path, encoding))
    plain = [line for line in found if line.cells and not line.text.startswith(("#", DOCUMENT))]
    if not plain:
        raise DataError(Fault(str(path), "has no words"))
    width = Counter(len(line.cells) for line in plain).most_common(1)[0][0]
    tag = _tag(plain, width, tag_column)
    tags = {line.cells[tag] for line in plain if len(line.cells) == width}
    found = [line for line in found if not _is_comment(line, width, tag, tags)]
    if width == 1 and labelled:
        what = f"has one column: a tag is expected behind each word, as in '{plain[0].text} O'"
        raise DataError(Fault(f"{path}:{plain[0].number}", what))
    if labelled and tag_column and tag_column > width:
        what = (
            f"the lines have {width} columns: there is no column {tag_column} (options.tag_column)"
        )
        raise DataError(Fault(str(path), what))
    _require_columns(path, found, width, tag)
    first = _first(found, width)
    if first:
        found = [line for line in found if not (line.cells and EXTRA.fullmatch(line.cells[0]))]
    between = "tabs" if any("\t" in line.text for line in plain) else "spaces"
    how = f"{path.name}: {width} columns between {between}, the word in column {first + 1}"
    sentences = list(_sentences(found, first, tag))
    return sentences, f"{how}, the tag in column {tag + 1}" if tag else how


def _tag(plain: Sequence[_Line], width: int, wanted: int | None) -> int:
    """Return the place of the tags: as asked for, or the last column of tags; 0 for none.

    Behind the tags may be what annotators noted (Universal NER). Before them are other tags
    (CoNLL-2003), so that a few in the last column are enough.
    """
    if wanted and wanted <= width:
        return wanted - 1
    lines = [line for line in plain if len(line.cells) == width]
    for place in range(width - 1, 0, -1):
        cells = [line.cells[place] for line in lines]
        tags = sum(is_outside(cell) or bool(PREFIXED.fullmatch(cell)) for cell in cells)
        if tags > len(cells) * (MOST if place < width - 1 else 0):
            return place
    return width - 1


def _lines(path: Path, encoding: str) -> Iterator[_Line]:
    with lines(path, encoding) as file:
        texts = file.read().removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    tabs = any("\t" in text.strip() for text in texts if not text.startswith("#"))
    starts = True
    for number, text in enumerate(texts, start=1):
        if not text.strip():
            cells: Sequence[str] = ()
        elif tabs:
            cells = [cell.strip(" ") for cell in text.split("\t")]
        else:
            cells = SPACES.split(text.strip(" \t"))
        yield _Line(number, text, cells, starts)
        starts = not cells or (starts and text.startswith(("#", DOCUMENT)))


def _is_mark(line: _Line) -> bool:
    """Return whether a document begins here."""
    return line.text.startswith(DOCUMENT) or (
        line.starts and NEW_DOCUMENT.match(line.text) is not None
    )


def _is_comment(line: _Line, width: int, tag: int, tags: set[str]) -> bool:
    """Return whether a line before a sentence begins with # and is not like those of words."""
    word = len(line.cells) == width and (
        width == 1 or line.cells[tag] in tags or PREFIXED.fullmatch(line.cells[tag])
    )
    return line.starts and line.text.startswith("#") and not word and not _is_mark(line)


def _require_columns(path: Path, found: Sequence[_Line], width: int, tag: int) -> None:
    words = [line for line in found if line.cells and not _is_mark(line)]
    wrong = [(line, f"has {len(line.cells)} column(s), most lines have {width}")
             for line in words if len(line.cells) != width]  # fmt: skip
    wrong += [(line, "has no tag") for line in words
              if len(line.cells) == width > 1 and not line.cells[tag]]  # fmt: skip
    faults = [Fault(f"{path}:{line.number}", f"{what}: {line.text[:60]!r}")
              for line, what in wrong[:SHOWN]]  # fmt: skip
    if len(wrong) > SHOWN:
        faults.append(Fault(str(path), f"and {len(wrong) - SHOWN:,} more such lines"))
    if faults:
        raise DataError(faults)


def _first(found: Sequence[_Line], width: int) -> int:
    """Return the column of words: the second where the first one counts the words."""
    words = [line for line in found if line.cells and not _is_mark(line)]
    counted = all(
        COUNTED.fullmatch(line.cells[0]) or EXTRA.fullmatch(line.cells[0]) for line in words
    )
    begun = all(line.cells[0] in "01" or EXTRA.fullmatch(line.cells[0])
                for line in words if line.starts)  # fmt: skip
    return int(width > 2 and counted and begun)


def _sentences(found: Sequence[_Line], first: int, tag: int) -> Iterator[Sentence]:
    document, now = 0, None
    for line in found:
        if line.cells and not _is_mark(line):
            now = now or Sentence(line.number, document)
            now.tokens.append(line.cells[first])
            now.tags += [line.cells[tag]] if tag else []
            continue
        if now is not None:
            yield now
        now = None
        document += _is_mark(line)
    if now is not None:
        yield now
