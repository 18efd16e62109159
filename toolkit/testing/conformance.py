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
    """One promise: what is looked at, and how to mend what is found."""

    name: str
    look: Callable[[Subject], Iterator[str]]
    mend: str

    @property
    def promise(self) -> str:
        """What has to be true."""
        return (self.look.__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True)
class Finding:
    """What came of a check: problems (none where it holds), or why it was not reached."""

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
          "give the hook the name and parameters that it has in toolkit/plugin.py"),
    Check("options", contract.options_documented,
          "subclass toolkit.Options; Field(default, description=...); TextColumn, InputColumn, "
          "LabelColumn or TargetColumn for names of columns"),
    Check("recipes", contract.recipes_valid,
          "see docs: recipes/<scenario>/<name>.yaml beside the package's modules"),
    Check("parts", behaviour.parts_fit,
          "load_model returns a PreTrainedModel; prepare keeps every row, in order, and adds "
          "labels; what load_processor returns has save_pretrained"),
    Check("columns", contract.wrong_columns_told,
          "mark the option as a column, so that it is checked before any hook is called"),
    Check("labels", contract.wrong_labels_told,
          "raise toolkit.errors.DataError for targets that the scenario cannot take"),
    Check("predictions", behaviour.predictions_are_rows,
          "decode returns one dict of plain Python values per row, in the order of the rows"),
    Check("batches", behaviour.batches_agree,
          "mask what pads a batch, and let no row look at its neighbours"),
    Check("metrics", behaviour.scores_stream,
          "return evaluate modules from metrics(); they take add_batch, then compute"),
    Check("run", behaviour.runs_without_network,
          "the default recipe brings its rows, and its model is one from a config, in a folder or "
          "in a mirror (entry-point group toolkit.models)"),
    Check("reload", behaviour.reloads_equal,
          "decode must hang on the outputs, the rows and what is saved alone: not on self.data"),
    Check("baselines", behaviour.baselines_stand_beside,
          "return from floors() what the model must beat: toolkit.evaluation.classification_baselines "
          "has the usual ones"),
    Check("resume", behaviour.repeats_and_resumes,
          "draw everything random from torch, numpy or random (their states are kept), or from "
          "seed, epoch and row; keep no state of your own between steps"),
    Check("processes", behaviour.processes_share,
          "let the core share the rows: no sampler and no distributed code of your own"),
)  # fmt: skip


def findings(scenario: str, folder: Path, recipe: str | None = None) -> Iterator[Finding]:
    """Yield what each check finds, in order.

    Args:
        scenario: the plugin's name.
        folder: new or empty; a few rows and short runs go there.
        recipe: whose model and rows are used; the scenario's default one where not given.

    Raises:
        UserError: there is no such scenario, or it cannot be imported.
    """
    subject = Subject(scenario, recipe or scenario, folder)
    subject.plugin_class  # noqa: B018 - a wrong name is no finding
    with subject.running():
        for check in CHECKS:
            yield _finding(check, subject)


def _finding(check: Check, subject: Subject) -> Finding:
    try:
        return Finding(check, tuple(check.look(subject)))
    except NotReachedError as error:
        return Finding(check, not_reached=str(error))
    except ToolkitError as error:
        return Finding(check, (str(error),))


def check_plugin(scenario: str, folder: Path, recipe: str | None = None) -> None:
    """Raise AssertionError with all that a plugin does not keep of the toolkit's promises.

    Args:
        scenario, folder, recipe: as of `findings`.
    """
    found = [finding for finding in findings(scenario, folder, recipe) if not finding.good]
    assert not found, "\n".join(map(in_words, found))


def in_words(finding: Finding) -> str:
    """Return what was found, and how to mend it."""
    if finding.not_reached is not None:
        return f"{finding.check.name}: not reached ({finding.not_reached})"
    problems = "\n".join(f"  {problem}" for problem in finding.problems)
    return (
        f"{finding.check.name}: {finding.check.promise}\n{problems}\n  mend: {finding.check.mend}"
    )
