"""A search over a recipe's settings, as a user holds it."""

from __future__ import annotations

from toolkit.api.runs import Run
from toolkit.runs import sweep_folder


class Sweep(sweep_folder.Sweep):
    """A search over a recipe's settings; `best` is the run of the chosen trial."""

    run_class = Run

    @property
    def best(self) -> Run:
        """The run of the chosen trial, scored on test.

        Raises:
            UserError: none has been chosen so far.
        """
        return Run(super().best.path)

    def summary(self) -> None:
        """Print the trials and the scores of the chosen one, as `toolkit sweep` does at its end."""
        from rich.console import Console

        from toolkit.reporting import sweep_report

        sweep_report.summary(self, Console())
