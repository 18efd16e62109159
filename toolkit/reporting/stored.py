"""What a report shows of single rows, kept as JSON in the run's folder and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from toolkit.errors import UserError

M = TypeVar("M", bound=BaseModel)


def read_stored(file: Path, kind: type[M]) -> M:
    """Return what a file holds; an empty one of its kind where there is no file.

    Raises:
        UserError: the file is damaged.
    """
    if not file.is_file():
        return kind()
    try:
        # By way of json, which accepts lone surrogates; pydantic does not.
        found = json.dumps(json.loads(file.read_bytes()), ensure_ascii=False)
        return kind.model_validate_json(found.encode("utf-8", "replace"))
    except ValueError as error:
        raise UserError(f"{file} is damaged: {str(error).splitlines()[0]}") from None
