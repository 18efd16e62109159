"""What a row holds: from the plugin's example to validation, the API's document and a form."""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from toolkit.plugin_types import column_markers, columns
from toolkit.utils.text import nearest

if TYPE_CHECKING:
    from pydantic import BaseModel

    from toolkit.plugin import Plugin

Kind = Literal["text", "number", "boolean", "file"]


@dataclass(frozen=True)
class Field:
    """A column of the rows.

    kind: how it is given; files are base64. example: as it is given. accepts: suffixes of files.
    """

    name: str
    kind: Kind
    description: str
    example: Any
    accepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Problem:
    """Why a row is refused: the place in the body (row, column; () is all of it), what it is."""

    where: tuple[str, ...]
    what: str


class InvalidRowsError(Exception):
    """A body that holds no rows that the model can take."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{' '.join(p.where)}: {p.what}" for p in problems))
        self.problems = list(problems)

    def of_one_row(self) -> InvalidRowsError:
        """Return it for a body that is a row: it has no number in a list."""
        return InvalidRowsError([Problem(p.where[1:], p.what) for p in self.problems])


class Fields:
    """The columns that a model reads, and rows of them read from JSON."""

    def __init__(self, plugin: Plugin[Any]) -> None:
        self.fields = tuple(_fields(plugin))
        self.row = _row_model(self.fields)

    @property
    def example(self) -> dict[str, Any]:
        """A row as it is given in JSON."""
        return {field.name: field.example for field in self.fields}

    def read(self, body: bytes, most: int) -> tuple[list[dict[str, Any]], bool]:
        """Return the rows of a body, and whether it holds a list of them.

        Raises:
            InvalidRowsError: it is no JSON, no row or rows, or has more than `most` of them.
        """
        from pydantic import ValidationError

        several = body.lstrip(b" \t\r\n").startswith(b"[")
        try:
            found = self._several.validate_json(body) if several else [
                self.row.model_validate_json(body)
            ]  # fmt: skip
        except ValidationError as error:
            raise InvalidRowsError([self._told(e) for e in error.errors(include_url=False)[:20]]
                                   ) from None  # fmt: skip
        if not found:
            raise InvalidRowsError([Problem((), "holds no row")])
        if len(found) > most:
            raise InvalidRowsError([Problem((), f"holds {len(found):,} rows, of {most:,} at most")])
        return [self._plain(row) for row in found], several

    @functools.cached_property
    def _several(self) -> Any:
        from pydantic import TypeAdapter

        return TypeAdapter(list[self.row])  # type: ignore[name-defined]  # made while it runs

    def schema(self, most: int) -> dict[str, Any]:
        """Return the JSON schema of a body: one row, or a list of rows."""
        row = self.row.model_json_schema(by_alias=True) | {"example": self.example}
        rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most}
        return {"oneOf": [row, rows | {"title": "Rows"}]}

    def _plain(self, row: BaseModel) -> dict[str, Any]:
        return {
            field.name: getattr(row, f"field_{place}") for place, field in enumerate(self.fields)
        }

    def _told(self, error: Mapping[str, Any]) -> Problem:
        place = tuple(str(part) for part in error["loc"])
        what = str(error["msg"])
        if error["type"] == "missing" and isinstance(error["input"], Mapping):
            hint = nearest(str(error["loc"][-1]), [k for k in error["input"] if isinstance(k, str)])
            what = f"is not there.{hint}"
        return Problem(place, what)


def _fields(plugin: Plugin[Any]) -> list[Field]:
    """Return a field for each column of the plugin's example row."""
    markers, kinds = column_markers(type(plugin.options)), type(plugin.options).model_fields
    options = {name: option.split(".")[0] for option, name in columns(plugin.options).items()}
    found = []
    for name, value in plugin.example().items():
        option = options.get(name)
        mark = markers[option] if option else None
        told = (kinds[option].description or "") if option else ""
        if isinstance(value, bytes):
            given = base64.b64encode(value).decode()
            found.append(Field(name, "file", told, given, mark.files if mark else ()))
        elif isinstance(value, bool):
            found.append(Field(name, "boolean", told, value))
        elif isinstance(value, int | float):
            found.append(Field(name, "number", told, value))
        else:
            found.append(Field(name, "text", told, str(value)))
    return found


def _type(kind: Kind) -> Any:
    """Return the type of a field's value: finite numbers, texts that UTF-8 has, files' bytes."""
    from pydantic import AfterValidator, StrictBool, StringConstraints
    from pydantic import Field as Declared

    if kind == "number":
        return Annotated[float, Declared(allow_inf_nan=False)] | None
    if kind == "boolean":
        return StrictBool
    if kind == "text":
        return Annotated[str, Declared(coerce_numbers_to_str=True)]
    return Annotated[str, StringConstraints(min_length=1), AfterValidator(_bytes)]


def _bytes(text: str) -> bytes:
    """Return what base64 stands for; a data URL, as browsers make them, is base64, too."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is no base64") from None


def _row_model(fields: Sequence[Field]) -> type[BaseModel]:
    """Return a model that reads a row; other keys in it are passed over."""
    from pydantic import ConfigDict, create_model
    from pydantic import Field as Declared

    declared: dict[str, Any] = {}
    for place, field in enumerate(fields):
        extra: dict[str, Any] = {"examples": [field.example]}
        if field.kind == "file":
            extra |= {"contentEncoding": "base64", "format": "byte"}
        declared[f"field_{place}"] = (
            _type(field.kind),
            Declared(alias=field.name, title=field.name, description=field.description or None,
                     json_schema_extra=extra),
        )  # fmt: skip
    made: type[BaseModel] = create_model(
        "Row", __config__=ConfigDict(extra="ignore", strict=False), **declared
    )
    return made
