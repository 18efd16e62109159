"""What the server of `warm.py` imports before it is forked: all that a run needs."""

import gc
import warnings

import pytest  # noqa: F401 - the main module of who asks, when it is not xdist

from toolkit.runner import run  # noqa: F401
from toolkit.runner.prepare import import_libraries

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import evaluate  # noqa: F401
    import peft  # noqa: F401
    import sklearn.feature_extraction.text  # noqa: F401

    import_libraries()
gc.freeze()  # nothing that the forked processes share is garbage
