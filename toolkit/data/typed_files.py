"""json, jsonl, parquet and arrow files, through the builders of `datasets`."""

from __future__ import annotations

import glob
import json
import shutil
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from toolkit.data.caches import load_dataset
from toolkit.data.sources import format_of
from toolkit.data.text_files import check_encoding, convert_once, lines, opened
from toolkit.errors import CacheError, DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

DEEPEST = 500  # nested brackets; pyarrow's parser can take some thousands
DEEP = "is nested too deeply"


def read_typed(path: Path, encoding: str = "utf-8") -> datasets.Dataset:
    """Return a file as a memory-mapped Dataset.

    Raises:
        DataError: the file is empty, or not what its suffix says (for json with the line).
    """
    import datasets

    if path.stat().st_size == 0:
        raise DataError(Fault(str(path), "is empty"))
    form = cast(str, format_of(path))
    if form == "json":
        check_encoding(path, encoding)
        _check_rows(path, encoding)
    plain = path
    if form != "json" and path.suffix.lower() == ".gz":  # those are read from any position
        cache = Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-unpacked"
        plain = convert_once(path, cache, f".{form}", None, partial(_unpack, path))
    if form == "parquet" and _no_rows(plain):
        raise DataError(Fault(str(path), "has no rows"))
    try:
        extra = {"encoding": encoding} if form == "json" else {}
        # `datasets` takes a path for a pattern: brackets and stars must stand for themselves.
        table = load_dataset(form, data_files=[glob.escape(str(plain))], split="train", **extra)
    except CacheError:
        raise
    except Exception as error:  # the builders raise whatever their parsers raise
        raise DataError(_builder_fault(path, form, encoding, error)) from error
    if not len(table) or not table.column_names:
        raise DataError(Fault(str(path), "has no rows"))
    if len(table) == 1 and path.name.lower().removesuffix(".gz").endswith(".json"):
        _refuse_whole_table(path, table[0])
    return cast("datasets.Dataset", table)


def _builder_fault(path: Path, form: str, encoding: str, error: Exception) -> Fault:
    cause = error.__cause__ or error
    if "corresponds to no data" in str(cause):  # rows without a single key
        return Fault(str(path), "has no keys in any row" if form == "json" else "has no rows")
    found = _json_fault(path, encoding) if form == "json" else None
    line, what = found or ("", str(cause).partition("\n")[0] or type(cause).__name__)
    return Fault(f"{path}{line}", f"cannot be read as {form}: {what}")


def _refuse_whole_table(path: Path, row: dict[str, Any]) -> None:
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


def _check_rows(path: Path, encoding: str) -> None:
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
    try:
        rows = json.loads(text)  # `datasets` reads it whole, too
        what = "" if rows else "has no rows"
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                where, what = f" row {number}", f"a row is an object, not {_type_name(row)}"
                break
    except json.JSONDecodeError as error:
        where, what = f":{error.lineno}", error.msg
    except RecursionError:
        what = DEEP
    except ValueError as error:  # a number of thousands of digits
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


def _json_fault(path: Path, encoding: str) -> tuple[str, str] | None:
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
                json.dumps(row, ensure_ascii=False).encode()
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


def _type_name(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(n for n in names if names.count(n) > 1)!r}")
    return row


def _no_rows(path: Path) -> bool:
    """Return whether a parquet file is valid but empty, which its builder reports as a fault."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(path).num_rows) == 0
    except (pa.ArrowException, OSError):
        return False


def _unpack(path: Path, target: Path) -> None:
    try:
        with opened(path) as packed, target.open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}")) from None
