"""Names that would move a terminal or mark up a page, and where they must not do so."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from xml.etree import ElementTree

from toolkit.cli.main import outcome

LABEL = "\x1b[31m<script>alert(1)</script> [bold red]a|b[/] **c** `d` \u202efed"
COLUMN = "\x1b]0;owned\x07<img src=x onerror=y> [link=x]|channel"
NAME = "\x1b[2J<b>mine [red] `x` |"
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SHAPES = {"svg", "title", "defs", "clipPath", "g", "use", "rect", "text", "path"}


def everything(folder: Path) -> set[str]:
    """Return all that stands below a folder, links not followed."""
    return {
        str(Path(base, name).relative_to(folder))
        for base, folders, files in os.walk(folder)
        for name in [*folders, *files]
    }


def ran(*words: str) -> str:
    """Run a command that must succeed, and return what it has printed."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = outcome(list(words))
    assert code == 0, said.getvalue()
    return said.getvalue()


def assert_no_markup(card: str) -> None:
    """Hold that a model card shows what rows and columns are called, and obeys none of it."""
    _, _, body = card.split("---\n", 2)
    assert not OBEYED.search(card)
    assert "<" not in body.replace("&lt;", "")
    assert "**c**" not in body
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert rows
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1


def assert_plain_picture(text: str) -> None:
    """Hold that a figure is XML of nothing but shapes and texts."""
    assert not OBEYED.search(text)
    tree = ElementTree.fromstring(text)  # noqa: S314 - our own text
    assert {element.tag.rpartition("}")[2] for element in tree.iter()} <= SHAPES
    assert not [name for element in tree.iter() for name in element.attrib if name[:2] == "on"]
