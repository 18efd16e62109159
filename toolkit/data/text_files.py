"""Data files as bytes and lines, their encoding checked, and converted once into a cache."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from toolkit.data.caches import kept
from toolkit.errors import DataError, Fault

UNPACKED = 1 << 28  # bytes that any .gz file may hold
MOST_TIMES = 300  # as many bytes as a larger one has; of real tables it is less than 100
UTF16 = (b"\xff\xfe", b"\xfe\xff")


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacking .gz."""
    packed = path.suffix.lower() == ".gz"
    return io.BufferedReader(_Unpacked(path), 1 << 20) if packed else path.open("rb")


class _Unpacked(io.RawIOBase):
    """A .gz file as it is unpacked, up to a size that tables have: some kilobytes may hold more."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.GzipFile(path)
        self._most = max(UNPACKED, MOST_TIMES * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int:
        if self._file.tell() > self._most:
            what = f"it unpacks to more than {MOST_TIMES} times its size"
            raise OSError(f"{what}: unpack it yourself, if that is right")
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def lines(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file for reading text, line ends as they are."""
    return io.TextIOWrapper(opened(path), encoding=encoding, newline="")


def convert_once(
    path: Path, cache: Path, suffix: str, form: object, write: Callable[[Path], None]
) -> Path:
    """Return what `write` makes of a file, kept in `cache` until the file or `form` changes.

    Raises:
        CacheError: the cache cannot be written.
    """
    stat = path.stat()
    key = repr((str(path), stat.st_size, stat.st_mtime_ns, form)).encode("utf-8", "surrogatepass")
    return kept(cache, hashlib.sha256(key).hexdigest()[:32], suffix, write)[0]


def check_encoding(path: Path, encoding: str) -> None:
    """Raise DataError with the line of the first byte that is not text in `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, begins = 1, b""
    try:
        with opened(path) as file:
            while chunk := file.read(1 << 20):
                begins = begins or chunk[:2]
                line += decoder.decode(chunk).count("\n")
        decoder.decode(b"", final=True)
    except UnicodeError as error:  # utf-16 without its mark is a plain UnicodeError
        what = str(error)
        if isinstance(error, UnicodeDecodeError):
            line += bytes(error.object[: error.start]).count(b"\n")
            what = f"byte 0x{bytes(error.object[error.start : error.start + 1]).hex()}"
        likely = "utf-16" if begins in UTF16 else "cp1252"
        what = (
            f"is not {encoding} text ({what}). Name its encoding, for example "
            f"--set data.encoding={likely}, or save the file as UTF-8."
        )
        raise DataError(Fault(f"{path}:{line}", what)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}")) from None
