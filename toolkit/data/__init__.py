"""The data door: any source of rows becomes a `DatasetDict` with train, validation and test.

Rows stay on disk and are memory-mapped, so that memory does not grow with the file. What is done
to rows that cannot be used is written down in `docs/data.md`, and counted in every run.
"""

from toolkit.data.labels import ClassLabels
from toolkit.data.load import LoadedData, load_splits

__all__ = ["ClassLabels", "LoadedData", "load_splits"]
