"""Text files as bytes and lines: unpacked, and checked for their encoding before anything else."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from pathlib import Path
from typing import IO, cast

from toolkit.errors import DataError, Fault

UTF16 = (b"\xff\xfe", b"\xfe\xff")


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, unpacking .gz."""
    packed = path.suffix.lower() == ".gz"
    return cast(IO[bytes], gzip.open(path) if packed else path.open("rb"))


def lines(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file for reading text, line ends as they are."""
    return io.TextIOWrapper(opened(path), encoding=encoding, newline="")


def check_encoding(path: Path, encoding: str) -> None:
    """Raise DataError with the line of the first byte that is not text in `encoding`."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    begins = b""
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
        raise DataError(
            Fault(
                f"{path}:{line}",
                f"is not {encoding} text ({what}). Name its encoding, for example "
                f"--set data.encoding={likely}, or save the file as UTF-8.",
            )
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(Fault(str(path), f"cannot be read: {error}")) from None
