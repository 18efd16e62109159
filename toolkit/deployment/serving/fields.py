"""The columns that a model reads: validation of rows, OpenAPI schema, form fields."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import pydantic
from fastapi import HTTPException

from toolkit.plugin_types.columns import Column, marked
from toolkit.utils.text import nearest

if TYPE_CHECKING:
    from toolkit.plugin import Plugin

#: Why a row is refused: the place in the body (row, column; () is all of it), and the reason.
Problem = tuple[tuple[str, ...], str]


def _bytes(text: str) -> bytes:
    """Decode base64, or a data URL."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
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
        row = pydantic.create_model("Row", **declared)
        self._row = pydantic.TypeAdapter[Any](row)
        self._rows = pydantic.TypeAdapter[Any](list[row])  # type: ignore[valid-type]  # made at run time

    def read(self, body: bytes, most: int) -> tuple[list[dict[str, Any]], bool, dict[int, str]]:
        """Return the rows of a body, whether it holds a list, and row -> why it is none.

        Malformed rows of a list are left out of the rows, unless all are malformed.

        Raises:
            HTTPException: it is not JSON, no row or rows, or has more than `most` of them.
        """
        several = body.lstrip(b" \t\r\n").startswith(b"[")
        wrong: dict[int, str] = {}
        try:
            found = (self._rows if several else self._row).validate_json(body)
        except pydantic.ValidationError as error:
            problems = [_problem(one) for one in error.errors(include_url=False)]
            for where, what in problems:
                if several and where and where[0].isdigit():
                    known = wrong.get(int(where[0]))
                    text = f"{' '.join(where[1:])} {what}".strip()
                    wrong[int(where[0])] = f"{known}; {text}" if known else text
            given = json.loads(body) if wrong else []
            if len(wrong) == len(given):
                raise unprocessable(problems[:20]) from None
            rest = [row for place, row in enumerate(given) if place not in wrong]
            found = self._rows.validate_json(json.dumps(rest))
        rows = found if several else [found]
        if not 0 < (count := len(rows) + len(wrong)) <= most:
            what = f"holds {count:,} rows, of {most:,} at most" if count else "holds no row"
            raise unprocessable([((), what)])
        read = [self._cells(row) for row in rows]
        for field in self.fields:
            if field.kind == "any":
                _make_alike(read, field.name)
        return read, several, wrong

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


def _problem(error: Mapping[str, Any]) -> Problem:
    what = str(error["msg"])
    if error["type"] == "missing":
        what = f"is missing.{nearest(str(error['loc'][-1]), map(str, error['input']))}"
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
