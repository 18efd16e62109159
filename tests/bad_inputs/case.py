"""One bad input: the files to write, the command line, and what the one message must say."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Content = str | bytes | Callable[[Path], None]

ROWS = [(f"the old {word} {n}", label) for n in range(20)
        for word, label in (("apple", "fruit"), ("saw", "tool"))]  # fmt: skip
GOOD = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)


@dataclass(frozen=True)
class Case:
    """What is typed where, and what must come of it.

    Args:
        name: says what is bad; unique within its kind.
        command: words of the command line; `{model}` and `{here}` stand for a tiny model's folder
            and for the folder in which the command is run.
        place: where the fault is, as the message must name it (file, line, key, option).
        says: further fragments of the message.
        files: name -> content, or a function that makes what stands at that path.
        environment: variables that are set.
        apart: also run in a process of its own, as a user would.
    """

    name: str
    command: Sequence[str]
    place: str
    says: tuple[str, ...] = ()
    files: Mapping[str, Content] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    apart: bool = False


def write(folder: Path, files: Mapping[str, Content], words: Mapping[str, str]) -> None:
    """Make the files of a case; `{model}` and `{here}` are filled into texts."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_bytes(filled(content, words).encode("utf-8", "surrogatepass"))


def filled(text: str, words: Mapping[str, str]) -> str:
    """Return a text with `{model}` and `{here}` replaced; other braces stay."""
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def folder(path: Path) -> None:
    """Make a folder where a file is expected."""
    path.mkdir()


def fifo(path: Path) -> None:
    """Make a pipe that nobody writes to: opening it would wait for ever."""
    os.mkfifo(path)


def link(target: str) -> Callable[[Path], None]:
    """Return what makes a link to a path: to nothing, to itself, to a device without an end."""
    return lambda path: path.symlink_to(target)


def packed(content: str | bytes, cut: int | None = None) -> bytes:
    """Return content as gzip has it, cut off behind `cut` bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return gzip.compress(raw, mtime=0)[:cut]


def jsonl(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as one JSON object a line."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def good_rows(count: int = 40) -> list[dict[str, Any]]:
    """Return rows that nothing is wrong with."""
    return [{"text": text, "label": label} for text, label in ROWS[:count]]


def parquet(columns: Mapping[str, Any], cut: int | None = None) -> bytes:
    """Return columns as a parquet file, cut off behind `cut` bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue().to_pybytes()[:cut])


def arrow(columns: Mapping[str, Any], cut: int | None = None) -> bytes:
    """Return columns as an Arrow file, cut off behind `cut` bytes."""
    import pyarrow as pa

    table, sink = pa.table(columns), pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes()[:cut])
