"""JSON: checked line by line, its types decided by the whole file, its texts as written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from toolkit.data.columns import column_values, replaced
from toolkit.data.text_files import convert_once, lines
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

DEEPEST = 500  # nested brackets; pyarrow's parser can take some thousands
DEEP = "is nested too deeply"
CHUNK = 10 << 20  # bytes by whose types `datasets` goes
LARGEST = (1 << 31) - 1 - CHUNK
BLANK = "\ufeff \t\r\n"
HALVES = re.compile(r"\\u[dD][89a-fA-F]")  # of surrogate pairs, as JSON may write them
LISTS = re.compile(r"\ufeff?\s*\[\s*[\[\"]")  # how rows begin that are lists of lists or texts


def load_json(load: Callable[..., Any], path: Path, encoding: str) -> datasets.Dataset:
    """Return JSON whose types are decided by the whole file, not by its first ten megabytes."""
    import datasets

    try:
        return cast("datasets.Dataset", load(encoding=encoding))
    except (datasets.exceptions.DatasetGenerationError, ValueError, TypeError):
        if (size := path.stat().st_size) <= CHUNK and path.suffix.lower() != ".gz":
            raise
        whole = min(LARGEST, 40 * size if path.suffix.lower() == ".gz" else size + 1)
        return cast("datasets.Dataset", load(encoding=encoding, chunksize=whole))


def as_written(table: datasets.Dataset, path: Path, encoding: str) -> datasets.Dataset:
    """Return rows with the texts that pyarrow took for times, and whole numbers beyond 2^53.

    Who uses a column as times converts it; of an account of twenty digits a float keeps sixteen.
    """
    schema = table.features.arrow_schema
    times = [field.name for field in schema if pa.types.is_temporal(field.type)]
    large = [field.name for field in schema
             if pa.types.is_floating(field.type) and _beyond_floats(table, field.name)]  # fmt: skip
    if not times and not large:
        return table
    cells: dict[str, list[Any]] = {name: [] for name in (*times, *large)}
    for row in _json_rows(path, encoding):
        for name, values in cells.items():
            values.append(row.get(name))
    codes = {name for name in large if not any(isinstance(v, float) for v in cells[name])}
    return replaced(table, {
        name: pa.array([None if v is None else str(v) for v in values], pa.string())
        for name, values in cells.items() if name in codes or name in times
    })  # fmt: skip


def _beyond_floats(table: datasets.Dataset, name: str) -> bool:
    """Return whether a column holds whole numbers alone, one of which no float is exact for."""
    values = column_values(table, name).drop_null()
    whole = pc.all(pc.equal(pc.floor(values), values)).as_py() and len(values)
    return bool(whole and pc.max(pc.abs(values)).as_py() >= 1 << 53)


def _json_rows(path: Path, encoding: str) -> Iterator[dict[str, Any]]:
    with lines(path, encoding) as file:
        first = file.read(1 << 10).lstrip(BLANK)[:1]
        file.seek(0)
        if first == "[":
            yield from json.loads(file.read().removeprefix("\ufeff"))
            return
        for line in file:
            if line.strip(BLANK):
                yield json.loads(line.removeprefix("\ufeff"))


def lists_as_objects(path: Path, encoding: str, cache: Path) -> Path:
    """Return a file whose rows are lists of one length as one of objects: columns 0, 1, ...

    Programs write pairs so, [["text", {...}], ...], or a pair a line. Any other file is returned
    as it is.

    Raises:
        DataError: a text in it holds half of a surrogate pair.
    """
    with lines(path, encoding) as file:
        if not LISTS.match(file.read(1 << 10)):
            return path
        file.seek(0)
        rows = _lists(file.read().removeprefix("\ufeff"))
    if not rows:
        return path

    def write(target: Path) -> None:
        for number, row in enumerate(rows, start=1):
            try:
                _check_letters(row)
            except ValueError as error:
                raise DataError(Fault(f"{path} row {number}", str(error))) from None
        objects = (json.dumps(dict(enumerate(row))) for row in rows)  # ASCII: in any encoding
        target.write_text("\n".join(objects), encoding=encoding)

    return convert_once(path, cache, ".jsonl", "lists", write)


def _lists(text: str) -> list[list[Any]]:
    """Return the rows of a file if all are lists of one length, else none."""
    try:
        whole = json.loads(text)
        one = any(isinstance(value, dict) for value in whole)  # a list of texts is no row
        rows = whole if isinstance(whole[0], list) else [whole] * one
    except (ValueError, RecursionError):  # no array: one a line, perhaps
        try:
            rows = [json.loads(line) for line in text.split("\n") if line.strip(BLANK)]
        except (ValueError, RecursionError):
            return []
    alike = all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows)
    return rows if alike else []


def _check_letters(row: Any) -> None:
    """Raise ValueError for half of a surrogate pair, which pyarrow refuses or leaves out."""
    json.dumps(row, ensure_ascii=False).encode()


def check_rows(path: Path, encoding: str) -> None:
    """Raise DataError for rows that crash pyarrow: null, or nested too deeply."""
    with lines(path, encoding) as file:
        started, level = False, 0
        for number, line in enumerate(file, start=1):
            text = line.removeprefix("\ufeff").strip()
            if not started and text.startswith("["):
                file.seek(0)
                return _check_array(path, file.read().removeprefix("\ufeff"))
            started = started or bool(text)
            level = _level(text, level)
            if text == "null" or level > DEEPEST:
                what = DEEP if level > DEEPEST else "a row is an object, not null"
                raise DataError(Fault(f"{path}:{number}", what))
    if not started:
        raise DataError(Fault(str(path), "has no rows"))


def _check_array(path: Path, text: str) -> None:
    """Raise DataError for a file that is no JSON array of objects."""
    where, what = "", ""
    halves = HALVES.search(text) is not None
    try:
        rows = json.loads(text)  # `datasets` reads it whole, too
        what = "" if rows else "has no rows"
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                where, what = f" row {number}", f"a row is an object, not {_type_name(row)}"
                break
            if halves:
                where = f" row {number}"
                _check_letters(row)
    except json.JSONDecodeError as error:
        where, what = f":{error.lineno}", error.msg
    except RecursionError:
        what = DEEP
    except ValueError as error:  # a number of thousands of digits, half of a surrogate pair
        what = str(error)
    if what:
        raise DataError(Fault(f"{path}{where}", what))


def _level(text: str, level: int) -> int:
    """Return the nesting of brackets after a line, ignoring those in strings."""
    opened = text.count("[") + text.count("{")
    behind = level + opened - text.count("]") - text.count("}")
    if opened <= DEEPEST and behind == level:
        return level
    try:
        json.loads(text)
    except ValueError:  # a part of an object over many lines, or no JSON
        return max(0, behind)
    except RecursionError:
        return DEEPEST + 1
    return level


def fault_in(path: Path, encoding: str) -> tuple[str, str] | None:
    """Find the first line that is no JSON object, or a value of another type than before."""
    kinds: dict[str, tuple[str, int]] = {}
    with lines(path, encoding) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if not kinds and line.strip().startswith("["):
                return None  # an array of objects, as `_check_array` has seen
            try:
                row = json.loads(line.removeprefix("\ufeff"), object_pairs_hook=_once)
                _check_letters(row)
            except RecursionError:
                return f":{number}", DEEP
            except ValueError as error:
                return f":{number}", str(error)
            if not isinstance(row, dict):
                return f":{number}", f"a row is an object, not {_type_name(row)}"
            for key, value in row.items():
                kind = type(value).__name__
                first, where = kinds.setdefault(key, (kind, number))
                if kind != first and value is not None and first != "NoneType":
                    what = f"column {key!r} holds {kind} here and {first} in line {where}"
                    return f":{number}", what
    return None


def refuse_whole_table(path: Path, row: dict[str, Any]) -> None:
    """Raise DataError for one object that holds all rows: as columns (pandas), or under a key."""
    from toolkit.data.plugin_source import source_names

    one = f"is one object ({listing(row, 5)})"
    if all(isinstance(value, list | dict) for value in row.values()):
        what = (
            f"{one}, not a list of rows: write [{{...}}, {{...}}], or an object a line (pandas: "
            "to_json(orient='records'))"
        )
        raise DataError(Fault(str(path), what))
    inside = [n for n, v in row.items() if isinstance(v, list) and v and isinstance(v[0], dict)]
    others = [n for n in row if n not in inside]  # a version, say
    if inside and len(others) <= 1 and not any(isinstance(row[n], list | dict) for n in others):
        what = (
            f"{one}, whose rows seem to be under {inside[0]!r} ({len(row[inside[0]]):,} there): "
            "write them as [{...}, {...}], or an object a line. A published format may be read by "
            f"data.source: plugin:NAME?...; NAMEs here: {listing(source_names()) or 'none'}"
        )
        raise DataError(Fault(str(path), what))


def _type_name(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return row
