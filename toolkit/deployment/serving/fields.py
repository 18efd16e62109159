"""The columns of a row, from the plugin's example: validation, OpenAPI schema, form fields."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    StrictBool,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic import Field as Declared

from toolkit.plugin_types import column_markers, columns
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


#: Kind of a column -> type of its values: finite numbers, texts, bytes of files.
KINDS: dict[str, Any] = {
    "text": Annotated[str, Declared(coerce_numbers_to_str=True)],
    "number": Annotated[float, Declared(allow_inf_nan=False)] | None,
    "boolean": StrictBool,
    "file": Annotated[
        str, StringConstraints(min_length=1), AfterValidator(_bytes),
        Declared(json_schema_extra={"contentEncoding": "base64", "format": "byte"}),
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A column of the rows.

    kind: a key of KINDS. example: as in a request. accepts: suffixes of files.
    """

    name: str
    kind: str
    description: str
    example: Any
    accepts: tuple[str, ...] = ()


class InvalidRowsError(Exception):
    """A body without rows that the model can process."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{' '.join(where)}: {what}" for where, what in problems))
        self.problems = problems


class Fields:
    """The columns that a model reads, and rows of them read from JSON; other keys are ignored.

    example: a row as in a request.
    """

    def __init__(self, plugin: Plugin[Any]) -> None:
        self.fields = tuple(_fields(plugin))
        self.example = {field.name: field.example for field in self.fields}
        declared: dict[str, Any] = {  # a column's name need not be an identifier
            f"field_{place}": (KINDS[field.kind], Declared(
                alias=field.name, title=field.name, description=field.description or None,
                examples=[field.example],
            ))
            for place, field in enumerate(self.fields)
        }  # fmt: skip
        row = create_model("Row", **declared)
        self._row, self._rows = TypeAdapter[Any](row), TypeAdapter[Any](list[row])  # type: ignore[valid-type]  # made at run time

    def read(self, body: bytes, most: int) -> tuple[list[dict[str, Any]], bool]:
        """Return the rows of a body, and whether it holds a list of them.

        Raises:
            InvalidRowsError: it is not JSON, no row or rows, or has more than `most` of them.
        """
        several = body.lstrip(b" \t\r\n").startswith(b"[")
        try:
            found = (self._rows if several else self._row).validate_json(body)
        except ValidationError as error:
            wrong = error.errors(include_url=False)[:20]
            raise InvalidRowsError([_problem(one) for one in wrong]) from None
        rows = found if several else [found]
        if not 0 < len(rows) <= most:
            what = f"holds {len(rows):,} rows, of {most:,} at most" if rows else "holds no row"
            raise InvalidRowsError([((), what)])
        places = {field.name: f"field_{place}" for place, field in enumerate(self.fields)}
        return [
            {name: getattr(row, place) for name, place in places.items()} for row in rows
        ], several

    def schema(self, most: int) -> dict[str, Any]:
        """Return the JSON schema of a body: one row, or a list of rows."""
        row = self._row.json_schema() | {"example": self.example}
        rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most, "title": "Rows"}
        return {"oneOf": [row, rows]}


def _problem(error: Mapping[str, Any]) -> Problem:
    what = str(error["msg"])
    if error["type"] == "missing":
        what = f"is missing.{nearest(str(error['loc'][-1]), map(str, error['input']))}"
    return tuple(map(str, error["loc"])), what


def _fields(plugin: Plugin[Any]) -> Iterator[Field]:
    """Yield a field for each column of the plugin's example row."""
    markers, declared = column_markers(type(plugin.options)), type(plugin.options).model_fields
    options = {name: option.split(".")[0] for option, name in columns(plugin.options).items()}
    for name, value in plugin.example().items():
        option = options.get(name)
        description = (declared[option].description or "") if option else ""
        if isinstance(value, bytes):
            accepts = markers[option].files if option else ()
            yield Field(name, "file", description, base64.b64encode(value).decode(), accepts)
        elif isinstance(value, int | float):
            kind = "boolean" if isinstance(value, bool) else "number"
            yield Field(name, kind, description, value)
        else:
            yield Field(name, "text", description, str(value))
