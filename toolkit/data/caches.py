"""What is converted once and kept: whole, or made anew; a cache that cannot be written is told.

A machine that stops may leave files without their end, and Arrow reads what is there of them: fewer
rows, without a word.
"""

from __future__ import annotations

import errno
import os
import shutil
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.errors import CacheError, causes
from toolkit.utils.files import placing

ENDS = (b"\xff\xff\xff\xff\0\0\0\0", b"ARROW1", b"PAR1")  # of Arrow streams, its files, parquet
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


def kept(
    folder: Path, key: str, suffix: str, write: Callable[[Path], None]
) -> tuple[Path, bool]:  # fmt: skip
    """Return the Arrow or parquet file of a cache that `write` makes, and whether it was there.

    Raises:
        CacheError: the cache cannot be written.
    """
    target = folder / f"{key}{suffix}"
    if _is_whole(target):
        return target, True
    with writing_cache(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with placing(target) as partial:
            write(partial)
    return target, False


@contextmanager
def writing_cache(folder: Path | None = None) -> Iterator[None]:
    """Tell what the system says of a cache that is full or may not be written.

    Args:
        folder: the cache; that of `datasets` where not given.

    Raises:
        CacheError: it is.
    """
    import datasets

    place = folder or Path(datasets.config.HF_DATASETS_CACHE)
    try:
        yield
    except Exception as error:  # `datasets` raises errors of its own for those of the system
        found = next(
            (e for e in causes(error) if isinstance(e, OSError) and _about(e, place)), None
        )
        if found is None or isinstance(error, CacheError):
            raise
        _remove_half_written(error)
        where, why = getattr(found, "filename", None) or place, os.strerror(found.errno or 0)
        raise CacheError(
            f"a cache cannot be written at {os.fsdecode(where)}: {why}. Nothing is kept there that "
            "is not whole; make room, or set HF_DATASETS_CACHE to a folder elsewhere"
        ) from error


def _about(error: OSError, place: Path) -> bool:
    if error.errno in (errno.EACCES, errno.EPERM) and error.filename is not None:
        return Path(os.fsdecode(error.filename)).is_relative_to(place)
    return error.errno in NO_ROOM


def _remove_half_written(error: BaseException) -> None:
    """Remove what `datasets` was writing: where the disk is full, its `map` fails to."""
    for cause in causes(error):
        for frame, _ in traceback.walk_tb(cause.__traceback__):
            half = frame.f_locals.get("tmp_file")
            if half is not None and str(frame.f_globals.get("__name__")).startswith("datasets."):
                Path(half.name).unlink(missing_ok=True)


def load_dataset(*names: str | None, split: str | None = None, **settings: Any) -> Any:
    """Do as `datasets.load_dataset` does, and prepare anew what its cache has lost the end of."""
    import datasets

    with writing_cache():
        builder = datasets.load_dataset_builder(*names, **settings)
        if drop_torn(Path(builder.cache_dir)):
            shutil.rmtree(builder.cache_dir)
        builder.download_and_prepare()
        return builder.as_dataset(split=split)


def drop_torn(folder: Path) -> bool:
    """Remove Arrow files without an end; return whether one was more than a result of `map`."""
    torn = [path for path in folder.glob("*.arrow") if not _is_whole(path)]
    for path in torn:
        path.unlink(missing_ok=True)
    return any(not path.name.startswith("cache-") for path in torn)


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - len(ENDS[0])))
            return file.read().endswith(ENDS)
    except FileNotFoundError:
        return False
