"""Translation memories: TMX 1.1 to 1.4b, as tools of translators exchange them."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from toolkit.data.text_files import opened
from toolkit.errors import DataError, Fault

CHUNK = 1 << 20
#: Elements with the native code of a program (bold, a link): no text of the sentence. `sub` is a
#: text apart within such code, a footnote or the caption of an image. `hi` is the sentence's own.
NO_TEXT = frozenset({"bpt", "ept", "it", "ph", "ut", "sub"})
SPACES = re.compile(r"[ \t\r\n]+")  # of lines that a program has wrapped; no-break spaces stay


@dataclass
class Unit:
    """A `tu`: (language, text) of each variant, in order, and the language it is from."""

    source: str
    variants: list[tuple[str, str]] = field(default_factory=list)


class _Reader:
    """Collects units from the events of a parser."""

    def __init__(self, parser: Any) -> None:
        self.units: list[Unit] = []
        self.root = self.source = self._language = ""
        self._unit: Unit | None = None
        self._text: list[str] | None = None
        self._hidden = 0  # how many elements without text are open
        parser.StartElementHandler, parser.EndElementHandler = self.start, self.end
        parser.CharacterDataHandler = self.characters
        parser.EntityDeclHandler = self.refuse
        parser.buffer_text = True

    def start(self, name: str, given: dict[str, str]) -> None:
        self.root = self.root or name
        if name == "header":
            self.source = given.get("srclang", "")
        elif name == "tu":
            self._unit = Unit(given.get("srclang", self.source))
        elif name == "tuv":
            self._language = given.get("xml:lang") or given.get("lang", "")
        elif name == "seg":
            self._text, self._hidden = [], 0
        elif name in NO_TEXT:
            self._hidden += 1

    def end(self, name: str) -> None:
        if name in NO_TEXT:
            self._hidden -= 1
        elif name == "seg" and self._text is not None and self._unit is not None:
            text = SPACES.sub(" ", "".join(self._text)).strip()
            self._unit.variants.append((self._language, text))
            self._text = None
        elif name == "tu" and self._unit is not None:
            self.units.append(self._unit)
            self._unit = None

    def characters(self, text: str) -> None:
        if self._text is not None and not self._hidden:
            self._text.append(text)

    def refuse(self, name: str, *_: Any) -> None:
        raise ValueError(f"declares the entity {name!r}: that is not read, as it may hide a bomb")


def units(path: Path) -> Iterator[Unit]:
    """Yield the units of a file, in whatever encoding it declares.

    No entity is expanded, and nothing that its DOCTYPE names is opened.

    Raises:
        DataError: it is no XML (with the line), no TMX, or declares entities.
    """
    parser = expat.ParserCreate()
    reader = _Reader(parser)
    try:
        with opened(path) as file:
            while chunk := file.read(CHUNK):
                parser.Parse(chunk, False)
                yield from reader.units
                reader.units.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = f"is no XML: {expat.ErrorString(error.code)}"
        raise DataError(Fault(f"{path}:{error.lineno}", what)) from None
    except ValueError as error:
        raise DataError(Fault(f"{path}:{parser.CurrentLineNumber}", str(error))) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}")) from None
    if reader.root != "tmx":
        raise DataError(Fault(str(path), f"is no TMX: its root is <{reader.root}>"))
    yield from reader.units
