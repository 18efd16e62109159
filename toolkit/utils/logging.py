"""Silence progress bars and log messages of libraries, unless --debug is given."""

from __future__ import annotations

import logging
import os
import warnings
from functools import partial

from toolkit.utils import garbage

#: Silences scikit-learn's warnings: a fit that stops at its iteration limit is still a fit.
quiet_fit = partial(warnings.catch_warnings, action="ignore")
#: Silences transformers' deprecation warning for a property that peft 0.21 uses.
quiet_peft = partial(warnings.catch_warnings, action="ignore", category=FutureWarning)


def quiet_loggers() -> None:
    """Silence what some libraries log at import; call it before they are imported."""
    if not os.environ.get("TOOLKIT_DEBUG"):
        for name in ("accelerate", "bitsandbytes", "filelock", "fsspec"):
            logging.getLogger(name).setLevel(logging.ERROR)


@garbage.held()
def quiet_libraries() -> None:
    """Silence progress bars and logs of transformers, datasets and huggingface_hub."""
    if os.environ.get("TOOLKIT_DEBUG"):
        return
    # In notebooks, of a package that only their bars need, which are silenced here.
    warnings.filterwarnings("ignore", message="IProgress not found")
    import transformers
    from huggingface_hub.utils import logging as hub_logging
    from huggingface_hub.utils.tqdm import disable_progress_bars

    quiet_datasets()
    transformers.utils.logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped there
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # untyped there
    disable_progress_bars()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped there


@garbage.held()
def quiet_datasets() -> None:
    """Silence progress bars and logs of datasets, which reads rows before anything else."""
    if os.environ.get("TOOLKIT_DEBUG"):
        return
    import datasets

    datasets.disable_progress_bars()
    # Its errors, too: they are logged and then raised, and our message reports them.
    datasets.utils.logging.set_verbosity(logging.CRITICAL)
