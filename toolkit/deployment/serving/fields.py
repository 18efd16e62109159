"""The columns that a model reads: validation of rows, OpenAPI schema, form fields."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import pydantic
import pydantic_core
from fastapi import HTTPException

from toolkit.plugin_types.columns import Column, marked
from toolkit.utils.pictures import MOST_PIXELS, pixels_of
from toolkit.utils.text import nearest

if TYPE_CHECKING:
    from toolkit.plugin import Plugin

#: Why a row is refused: the place in the body (row, column; () is all of it), and the reason.
Problem = tuple[tuple[str, ...], str]


BOM = b"\xef\xbb\xbf"
STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
MOST_VALUES = 1_000_000  # of one body: a list of one million numbers takes some 30 MB when read
SHOWN = 20  # rows that are malformed, where all are
KEYS = 100  # of a row, that are compared with one that is missing


def _bytes(text: str) -> bytes:
    """Decode base64, in one line or several, or a data URL."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise ValueError("is not base64") from None


def _plain(value: Any) -> Any:
    """Refuse what no cell of a table holds."""
    if isinstance(value, list | dict) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("takes a text, a number, true, false or null")
    return value


#: Kind of a column -> type of its values: finite numbers, texts, bytes of files, and so on.
KINDS: dict[str, Any] = {
    "text": Annotated[str, pydantic.Field(coerce_numbers_to_str=True)],
    "number": Annotated[float, pydantic.Field(allow_inf_nan=False)] | None,
    "boolean": pydantic.StrictBool,
    "any": Annotated[
        Any, pydantic.AfterValidator(_plain),
        pydantic.WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
    ],
    "list": list[Any],
    "object": dict[str, Any],
    "file": Annotated[
        str, pydantic.StringConstraints(min_length=1), pydantic.AfterValidator(_bytes),
        pydantic.Field(json_schema_extra={"contentEncoding": "base64", "format": "byte"}),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A column of the rows.

    kind: a key of KINDS. example: as in a request. accepts: suffixes of files. optional: a row
    may lack it.
    """

    name: str
    kind: str
    description: str
    example: Any
    accepts: tuple[str, ...] = ()
    optional: bool = False


class Body(NamedTuple):
    """The rows of a body, without those that are none.

    several: whether it holds a list. wrong: row -> why it is none. pixels: of all images.
    """

    rows: list[dict[str, Any]]
    several: bool
    wrong: dict[int, str]
    pixels: int


class Fields:
    """The columns that a model reads, and rows of them read from JSON; other keys are ignored.

    example: a row as in a request.
    """

    def __init__(self, plugin: Plugin[Any]) -> None:
        self.fields = tuple(_fields(plugin))
        self.example = {field.name: field.example for field in self.fields if not field.optional}
        declared: dict[str, Any] = {  # a column's name need not be an identifier
            f"field_{place}": (KINDS[field.kind], pydantic.Field(
                None if field.optional else ..., alias=field.name, title=field.name,
                description=field.description or None,
                examples=[field.example],
            ))
            for place, field in enumerate(self.fields)
        }  # fmt: skip
        self._row = pydantic.TypeAdapter[Any](pydantic.create_model("Row", **declared))

    def read(self, body: bytes, rows: int, pixels: int = MOST_PIXELS) -> Body:
        """Return what a body holds.

        Malformed rows of a list are left out of the rows, unless all are malformed.

        Args:
            rows, pixels: most of them.

        Raises:
            HTTPException: it is not JSON, no row or rows, or has more than it may of something.
        """
        found = _json(body.removeprefix(BOM))
        several = isinstance(found, list)
        given = found if isinstance(found, list) else [found]
        if not 0 < len(given) <= rows:
            what = f"holds {len(given):,} rows, of {rows:,} at most" if given else "holds no row"
            raise unprocessable([((), what)])
        read, problems = list[dict[str, Any]](), dict[int, list[Problem]]()
        for place, row in enumerate(given):
            faults = problems[place] = list[Problem]()
            if (values := self._values(row, faults)) is not None:
                read.append(values)
        if not read:
            raise unprocessable(
                ((str(place), *where) if several else where, what)
                for place, faults in islice(problems.items(), SHOWN) for where, what in faults
            )  # fmt: skip
        wrong = {place: "; ".join(" ".join((*where, what)) for where, what in faults)
                 for place, faults in problems.items() if faults}  # fmt: skip
        for field in self.fields:
            if field.kind == "any":
                _make_alike(read, field.name)
        return Body(read, several, wrong, self._pixels(read, pixels))

    def _values(self, row: Any, problems: list[Problem]) -> dict[str, Any] | None:
        """Return column -> value of a row, or None, with the reasons added to `problems`."""
        if not isinstance(row, dict):
            problems.append(((), "Input should be an object"))
            return None
        try:
            values = self._row.validate_python(row)
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            problems += [_problem(dict(one), row) for one in found]
            return None
        return self._cells(values)

    def _pixels(self, rows: list[dict[str, Any]], most: int) -> int:
        """Return the pixels of all images; raise HTTPException for more than `most`."""
        found = sum(pixels_of(value) for row in rows for value in row.values()
                    if isinstance(value, bytes))  # fmt: skip
        if found > most:
            what = f"holds images of {found:,} pixels, of {most:,} at most"
            raise unprocessable([((), what)])
        return found

    def _cells(self, row: Any) -> dict[str, Any]:
        """Return column -> value; optional ones where the row has them."""
        return {
            field.name: getattr(row, f"field_{place}")
            for place, field in enumerate(self.fields)
            if not field.optional or f"field_{place}" in row.model_fields_set
        }

    def schema(self, most: int) -> dict[str, Any]:
        """Return the JSON schema of a body: one row, or a list of rows."""
        row = self._row.json_schema() | {"example": self.example}
        rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most, "title": "Rows"}
        return {"oneOf": [row, rows]}


def _make_alike(rows: Sequence[dict[str, Any]], name: str) -> None:
    """Write the values of a column as texts where the rows have it in several types."""
    kinds = {type(row[name]) for row in rows if row.get(name) is not None}
    if len(kinds) > 1 and not kinds <= {int, float}:
        for row in rows:
            if row.get(name) is not None:
                row[name] = str(row[name])


def unprocessable(problems: Iterable[Problem]) -> HTTPException:
    """Return problems of rows in the form of FastAPI's own."""
    return HTTPException(422, [{"loc": ["body", *where], "msg": what} for where, what in problems])


def _json(body: bytes) -> Any:
    """Return what a body holds; what it would take is seen before it is read."""
    if _values_in(body) > MOST_VALUES and _values_in(STRING.sub(b"", body)) > MOST_VALUES:
        raise unprocessable([((), f"holds more than {MOST_VALUES:,} values")])
    try:
        return pydantic_core.from_json(body)
    except ValueError as error:
        raise unprocessable([((), f"Invalid JSON: {error}")]) from None


def _values_in(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))


def _problem(error: dict[str, Any], row: dict[str, Any]) -> Problem:
    what = str(error["msg"])
    if error["type"] == "missing":
        what = f"is missing.{nearest(str(error['loc'][-1]), map(str, islice(row, KEYS)))}"
    return tuple(map(str, error["loc"])), what


def _fields(plugin: Plugin[Any]) -> Iterator[Field]:
    """Yield a field for each marked input, and for further columns of the plugin's example.

    What the example alone names takes any value that a cell of the training table may have had.
    """
    declared = type(plugin.options).model_fields
    known = {name: (declared[option.split(".")[0]].description or "", mark)
             for option, (name, mark) in marked(plugin.options, "input").items()}  # fmt: skip
    for name, value in {**dict.fromkeys(known), **plugin.example()}.items():
        description, mark = known.get(name, ("", Column("input")))
        kind = "file" if mark.files or isinstance(value, bytes) else mark.kind
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        example = "" if value is None else value
        optional = value is None and name not in known
        shown = kind or _kind_of(value, "text" if name in known else "any")
        yield Field(name, shown, description, example, mark.files, optional)


def _kind_of(value: Any, otherwise: str) -> str:
    kinds = {bool: "boolean", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(value), otherwise)
