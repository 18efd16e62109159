"""json, jsonl, parquet and arrow files, through the builders of `datasets`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from toolkit.data.sources import format_of
from toolkit.data.text_files import check_encoding, lines, opened
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

DEEPEST = 500  # brackets inside of each other; pyarrow's parser bears some thousands
DEEP = "is nested too deeply"
# A list that begins with an object, and nulls that may be rows of it.
_OBJECTS = re.compile(r"\ufeff?\s*\[\s*[{\]]")
_NULLS = re.compile(r"[\[,]\s*null\s*[,\]]")


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
    if form != "json" and path.suffix.lower() == ".gz":
        plain = _unpacked(path, Path(datasets.config.HF_DATASETS_CACHE) / "toolkit-unpacked")
    if _no_rows(plain, form, encoding):
        raise DataError(Fault(str(path), "has no rows"))
    try:
        extra = {"encoding": encoding} if form == "json" else {}
        # A path is a pattern to `datasets`: brackets and stars in it must stand for themselves.
        name = re.sub(r"([*?[])", r"[\1]", str(plain))
        table = datasets.load_dataset(form, data_files=[name], split="train", **extra)
    except Exception as error:  # the builders raise whatever their parsers raise
        cause = error.__cause__ or error
        if "corresponds to no data" in str(cause):  # rows without a single key
            what = "has no keys in any row" if form == "json" else "has no rows"
            raise DataError(Fault(str(path), what)) from error
        line, what = (_json_fault(path, encoding) if form == "json" else None) or (
            "",
            str(cause).splitlines()[0] if str(cause) else type(cause).__name__,
        )
        raise DataError(Fault(f"{path}{line}", f"cannot be read as {form}: {what}")) from error
    if not len(table) or not table.column_names:
        raise DataError(Fault(str(path), "has no rows"))
    if len(table) == 1 and path.name.lower().removesuffix(".gz").endswith(".json"):
        _refuse_columns(path, table[0])
        _refuse_nested(path, table[0])
    return cast("datasets.Dataset", table)


def _refuse_columns(path: Path, row: dict[str, Any]) -> None:
    """Raise DataError for one object that holds the whole table, as pandas' to_json writes it."""
    if all(isinstance(value, list | dict) for value in row.values()):
        raise DataError(
            Fault(
                str(path),
                f"is one object ({listing(row, 5)}), not a list of rows: write [{{...}}, {{...}}], "
                "or an object a line (pandas: to_json(orient='records'))",
            )
        )


def _check_rows(path: Path, encoding: str) -> None:
    """Raise DataError for rows that end the process inside pyarrow: null, or nested too deeply."""
    fault: tuple[str, str] | None = None
    with lines(path, encoding) as file:
        first, level = "", 0
        for number, line in enumerate(file, start=1):
            text = line.removeprefix("\ufeff").strip()
            first = first or text[:1]
            if first == "[":
                break
            if text == "null":
                fault = f":{number}", "a row is an object, not null"
                break
            try:
                level = _level(text, level)
            except RecursionError:
                fault = f":{number}", DEEP
                break
    if first == "[":  # read at once by `datasets` too, and never deeper than its own limit
        with lines(path, encoding) as file:
            text = file.read()
        if not _OBJECTS.match(text) or _NULLS.search(text):
            fault = _array_fault(path, encoding)
    if fault is not None:
        raise DataError(Fault(f"{path}{fault[0]}", fault[1]))


def _level(text: str, level: int) -> int:
    """Return how deep brackets are nested behind a line, those within texts not counted.

    Raises:
        RecursionError: deeper than any row needs.
    """
    opened = text.count("[") + text.count("{")
    behind = level + opened - text.count("]") - text.count("}")
    if opened <= DEEPEST and behind == level:
        return level
    try:
        json.loads(text)
    except ValueError:  # a part of an object over many lines, or no JSON
        if behind > DEEPEST:
            raise RecursionError from None
        return max(0, behind)
    return level


def _refuse_nested(path: Path, row: dict[str, Any]) -> None:
    """Raise DataError for one object with the rows inside of it, beside a version, say."""
    from toolkit.data.plugin_source import source_names

    inside = [n for n, v in row.items() if isinstance(v, list) and v and isinstance(v[0], dict)]
    others = [n for n in row if n not in inside]
    if inside and len(others) <= 1 and not any(isinstance(row[n], list | dict) for n in others):
        count = len(row[inside[0]])
        raise DataError(
            Fault(
                str(path),
                f"is one object ({listing(row, 5)}), whose rows seem to be under {inside[0]!r} "
                f"({count:,} there): write them as [{{...}}, {{...}}], or an object a line. A "
                "published format may be read by data.source: plugin:NAME?...; NAMEs here: "
                f"{listing(source_names()) or 'none'}",
            )
        )


def _json_fault(path: Path, encoding: str) -> tuple[str, str] | None:
    """Find the first line that is no JSON object, or a value that differs in type from the rest."""
    kinds: dict[str, tuple[str, int]] = {}
    with lines(path, encoding) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if not kinds and line.strip().startswith("["):
                return _array_fault(path, encoding)
            try:
                row = json.loads(line.removeprefix("\ufeff"), object_pairs_hook=_once)
                json.dumps(row, ensure_ascii=False).encode()
            except RecursionError:
                return f":{number}", DEEP
            except ValueError as error:
                return f":{number}", str(error)
            if not isinstance(row, dict):
                return f":{number}", f"a row is an object, not {_kind(row)}"
            for key, value in row.items():
                kind = type(value).__name__
                first, where = kinds.setdefault(key, (kind, number))
                if kind != first and value is not None and first != "NoneType":
                    return (
                        f":{number}",
                        f"column {key!r} holds {kind} here and {first} in line {where}",
                    )
    return None


def _array_fault(path: Path, encoding: str) -> tuple[str, str] | None:
    """Find what is wrong with a file that is one JSON array over several lines."""
    with lines(path, encoding) as file:
        try:
            rows = json.loads(file.read().removeprefix("\ufeff"), object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            return f":{error.lineno}", error.msg
        except RecursionError:
            return "", DEEP
        except ValueError as error:
            return "", str(error)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            return f" row {number}", f"a row is an object, not {_kind(row)}"
    return None


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return row


def _no_rows(path: Path, form: str, encoding: str) -> bool:
    """Return whether a file is well made but empty, which the builders report as a fault."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form == "json":
        with lines(path, encoding) as text:
            first = text.read(64)
        return len(first) < 64 and re.sub(r"\s", "", first.removeprefix("\ufeff")) in ("", "[]")
    if form == "parquet":
        try:
            return int(pq.read_metadata(path).num_rows) == 0
        except (pa.ArrowException, OSError):
            return False
    return False


def _unpacked(path: Path, cache: Path) -> Path:
    """Return the plain file of a .gz, unpacked once: parquet and arrow are read from any place."""
    stat = path.stat()
    key = hashlib.sha256(repr((str(path), stat.st_size, stat.st_mtime_ns)).encode()).hexdigest()
    target = cache / key[:32] / path.name[: -len(".gz")]
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}.partial")
        try:
            with opened(path) as packed, partial.open("wb") as plain:
                shutil.copyfileobj(packed, plain)
            os.replace(partial, target)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(Fault(str(path), f"cannot be read: {error}")) from None
        finally:
            partial.unlink(missing_ok=True)
    return target
