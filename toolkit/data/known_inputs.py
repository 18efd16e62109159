"""What a saved model has seen: hashes of the inputs that it was trained and chosen on.

A run that goes on from a model of another run splits the rows anew, and its test rows may be those
that the model was trained on. So a saved model's folder holds 8 bytes for each of its inputs, and
those that its own starting model, or its teacher, had seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.data import row_hashes
from toolkit.errors import Fault, ModelError

if TYPE_CHECKING:
    from toolkit.data.row_hashes import Bools, Hashes, RowHashes

#: A new name where rows are hashed in another way: hashes of both kinds are never equal.
FILE = "known_inputs.npy"
MOST = 0.5  # of the test rows, above which their score measures memory


@dataclass(frozen=True)
class Known:
    """What the models that a run starts from have seen.

    models: as the recipe names them. hashes: sorted, each once. rows: split -> how many of its rows
    are among them.
    """

    models: tuple[str, ...]
    hashes: Hashes
    rows: Mapping[str, int]

    def record(self) -> dict[str, Any]:
        """Return what run.json has of it."""
        return {"models": list(self.models), **self.rows}


def read(folder: Path) -> Hashes | None:
    """Return the hashes in a saved model's folder; None where it has none.

    Raises:
        ModelError: the file is damaged, or is no such file.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(Fault(str(file), f"cannot be read: {error}")) from None
    if not isinstance(found, np.ndarray) or found.ndim != 1 or found.dtype != np.uint64:
        what = "holds no row of 64-bit hashes: it is not the file that a run has saved"
        raise ModelError(Fault(str(file), what))
    return found


def write(folder: Path, splits: Mapping[str, RowHashes], before: Known | None) -> None:
    """Write what a model has seen into its folder: all rows but those of test, and the known ones.

    Nothing is written where no rows were compared, as it would say that there were none.
    """
    if splits:
        parts = [outside_test(splits), *([before.hashes] if before else [])]
        np.save(folder / FILE, united(parts), allow_pickle=False)


def outside_test(splits: Mapping[str, RowHashes]) -> Hashes:
    """Return the hashes of all rows but those of test, in both forms."""
    return united(form for name, rows in splits.items() if name != "test"
                  for form in (rows.exact, rows.normalised))  # fmt: skip


def among(rows: RowHashes, hashes: Hashes) -> Bools:
    """Return one bool per row: whether a model has seen it, as it is or normalised."""
    return row_hashes.among(rows.exact, hashes) | row_hashes.among(rows.normalised, hashes)


def united(parts: Iterable[Hashes]) -> Hashes:
    """Return the hashes of several models, sorted, each once."""
    return row_hashes.distinct(np.concatenate(list(parts)))
