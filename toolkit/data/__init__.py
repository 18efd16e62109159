"""Data loading: any source of rows becomes a `DatasetDict` with train, validation and test.

Rows stay on disk and are memory-mapped, so that memory does not grow with the file. Rows that
cannot be used are skipped, or end the run, as `docs/data.md` documents; every run counts them.
"""

from toolkit.data.labels import ClassLabels
from toolkit.data.load import LoadedData, load_splits

__all__ = ["ClassLabels", "LoadedData", "load_splits"]
