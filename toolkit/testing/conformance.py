"""The conformance kit: does a plugin keep what the toolkit promises of every scenario?

In a plugin's own tests:

    from toolkit.testing.conformance import check_plugin

    def test_conforms(tmp_path):
        check_plugin("my-scenario", tmp_path)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import ToolkitError
from toolkit.testing import behaviour, contract
from toolkit.testing.subject import NotReachedError, Subject


@dataclass(frozen=True)
class Check:
    """One promise: what is checked, and how to fix what is found."""

    name: str
    look: Callable[[Subject], Iterator[str]]
    fix: str

    @property
    def promise(self) -> str:
        """What has to be true."""
        return (self.look.__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True)
class CheckFinding:
    """The result of a check: problems (none where it passes), or why it could not run."""

    check: Check
    problems: tuple[str, ...] = ()
    not_reached: str | None = None

    @property
    def good(self) -> bool:
        """Whether the promise is kept."""
        return not self.problems and self.not_reached is None


CHECKS = (
    Check("listing", contract.listed_without_imports,
          "import torch, transformers and datasets inside the hooks, or keep the package's "
          "__init__.py (which is imported to find its recipes) free of them"),
    Check("hooks", contract.hooks_fit,
          "give the hook the name and parameters that it has in toolkit/plugin/"),
    Check("options", contract.options_documented,
          "subclass toolkit.Options; Field(default, description=...); TextColumn, InputColumn, "
          "LabelColumn or TargetColumn for names of columns"),
    Check("recipes", contract.recipes_valid,
          "see docs: recipes/<scenario>/<name>.yaml beside the package's modules"),
    Check("parts", behaviour.parts_fit,
          "load_model returns a PreTrainedModel; prepare keeps every row, in order, and adds "
          "labels; what load_processor returns has save_pretrained"),
    Check("columns", contract.wrong_columns_reported,
          "mark the option as a column, so that it is checked before any hook is called"),
    Check("labels", contract.wrong_labels_reported,
          "raise toolkit.errors.DataError for targets that the scenario cannot take"),
    Check("predictions", behaviour.predictions_are_rows,
          "decode returns one dict per row, in their order, from outputs and inputs alone"),
    Check("shape", behaviour.rows_keep_their_shape,
          "return rows that have the options' columns already as they are: the kit, `serve` and "
          "Run.predict give such rows"),
    Check("batches", behaviour.batches_agree,
          "mask the padding of a batch, and let no row depend on the others"),
    Check("metrics", behaviour.scores_stream,
          "return evaluate modules from metrics(); they take add_batch, then compute"),
    Check("run", behaviour.runs_without_network,
          "the default recipe includes its rows, and its model is one from a config, in a folder "
          "or in a mirror (entry-point group toolkit.models)"),
    Check("reload", behaviour.reloads_equal,
          "decode must depend on the outputs, the rows and what is saved alone: not on self.data"),
    Check("scores", behaviour.scores_are_read_again,
          "metrics() must not read self.data: return what it needs from training_statistics()"),
    Check("evaluate", behaviour.evaluates_new_rows,
          "let references, metrics and baselines read the rows that they are given, and "
          "self.data['train'] of the run"),
    Check("example", behaviour.example_is_served,
          "return from example() a row that the model can read: the bytes of a file in columns of "
          "files"),
    Check("baselines", behaviour.baselines_scored,
          "return from baselines() what the model must beat; the usual ones are in "
          "toolkit.evaluation.classification_baselines"),
    Check("resume", behaviour.repeats_and_resumes,
          "draw random numbers from torch, numpy or random (their states are saved), or from "
          "seed, epoch and row; keep no state of your own between steps"),
    Check("processes", behaviour.processes_share,
          "leave the sharing of rows to the core: no sampler or distributed code of your own"),
)  # fmt: skip


def findings(scenario: str, folder: Path, recipe: str | None = None) -> Iterator[CheckFinding]:
    """Yield the result of each check, in order.

    Args:
        scenario: the plugin's name.
        folder: new or empty; for a few rows and short runs.
        recipe: whose model and rows are used; by default the scenario's default one.

    Raises:
        UserError: there is no such scenario, or it cannot be imported.
    """
    subject = Subject(scenario, recipe or scenario, folder)
    subject.plugin_class  # noqa: B018 - a wrong name is the caller's error
    with subject.running():
        for check in CHECKS:
            yield _finding(check, subject)


def _finding(check: Check, subject: Subject) -> CheckFinding:
    try:
        return CheckFinding(check, tuple(check.look(subject)))
    except NotReachedError as error:
        return CheckFinding(check, not_reached=str(error))
    except ToolkitError as error:
        return CheckFinding(check, (str(error),))


def check_plugin(scenario: str, folder: Path, recipe: str | None = None) -> None:
    """Raise AssertionError with every promise that a plugin does not keep.

    Args:
        scenario, folder, recipe: as of `findings`.
    """
    found = [finding for finding in findings(scenario, folder, recipe) if not finding.good]
    assert not found, "\n".join(map(format_finding, found))


def format_finding(finding: CheckFinding) -> str:
    """Return what was found, and how to fix it."""
    if finding.not_reached is not None:
        return f"{finding.check.name}: not reached ({finding.not_reached})"
    problems = "\n".join(f"  {problem}" for problem in finding.problems)
    return f"{finding.check.name}: {finding.check.promise}\n{problems}\n  fix: {finding.check.fix}"
