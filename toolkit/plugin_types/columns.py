"""Options of a scenario, and how they mark the columns that they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

#: Columns with a text or number per row that `Plugin.add_features` may add where the options mark
#: no column as input: rows with equal ones are the same row, or are counted as alike. They are
#: compared between splits, and taken out again before any other hook is called.
SAME, LIKENESS = "__same__", "__likeness__"
Kind = Literal["", "text", "number", "boolean", "list", "object"]


@dataclass(frozen=True)
class Column:
    """Marks an option as the name of a data column, so that the core can check and compare it.

    The name may be a path into objects: `translation.en`; of a list of objects it is the list of
    the values (`objects.bbox`). Rows have a column of that whole name then.

    Args:
        role: "input" (read by the model; compared between splits) or "target" (to be predicted).
        kind: of the values, checked before any hook is called, and shown by `toolkit serve`. Cells
            of csv are texts: with "number" or "boolean" they come as such; any kind (where not
            given) makes numbers of them where every cell is one that is no code such as 007.
        files: suffixes (".wav") of an input or target that is a file. Rows name the file (relative
            to their table), contain it, or are the files of class folders. The contents are
            compared and fingerprinted; `toolkit.open_file` opens a cell. In prediction rows have no
            such target.
        may_be_empty: rows without a value in this target are valid, and are kept.
        lists: lists and objects in this input of texts are let through by `toolkit predict`:
            `reshape_rows` makes texts of them. Otherwise such a row is rejected.
    """

    role: Literal["input", "target"]
    kind: Kind = ""
    may_be_empty: bool = False
    files: tuple[str, ...] = ()
    lists: bool = False

    @property
    def as_text(self) -> bool:
        """Whether the column holds texts, as which numbers of JSON are taken, too."""
        return self.kind == "text" or bool(self.files)


TextColumn = Annotated[str, Column("input", "text")]
NumberColumn = Annotated[str, Column("input", "number")]
ListColumn = Annotated[str, Column("input", "list")]
ObjectColumn = Annotated[str, Column("input", "object")]
InputColumn = Annotated[str, Column("input")]
LabelColumn = Annotated[str, Column("target", "text")]
ListTargetColumn = Annotated[str, Column("target", "list")]
TargetColumn = Annotated[str, Column("target")]


class Options(BaseModel):
    """Base of a plugin's options: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class NoOptions(Options):
    """For a plugin without options."""


def columns(options: BaseModel, role: str | None = None) -> dict[str, str]:
    """Return option -> column name for the options marked as columns that are not None.

    An option that names several columns has a key for each: `entities.0`, `entities.1`.
    """
    return {option: column for option, (column, _) in marked(options, role).items()}


def marked(options: BaseModel, role: str | None = None) -> dict[str, tuple[str, Column]]:
    """Return what `columns` does, with the marker of each column."""
    found: dict[str, tuple[str, Column]] = {}
    for name, marker in column_markers(type(options)).items():
        value = getattr(options, name)
        if value is None or role not in (None, marker.role):
            continue
        if isinstance(value, str):
            found[name] = value, marker
        else:
            found |= {f"{name}.{place}": (column, marker) for place, column in enumerate(value)}
    return found


def column_markers(options: type[BaseModel]) -> dict[str, Column]:
    """Return option name -> marker for every field of an options class that names a column."""
    found = {}
    for name, known in options.model_fields.items():
        inside = [*known.metadata, *_metadata(known.annotation)]
        marker = next((m for m in inside if isinstance(m, Column)), None)
        if marker is not None:
            found[name] = marker
    return found


def _metadata(annotation: Any) -> Iterator[Any]:
    """Yield the metadata of nested `Annotated`s: `TextColumn | None`, `list[InputColumn]`."""
    yield from getattr(annotation, "__metadata__", ())
    for inner in getattr(annotation, "__args__", ()):
        yield from _metadata(inner)
