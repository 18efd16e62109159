"""One recipe run several times, one number of it changed: one after another, in one folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from rich.console import Console

from toolkit.errors import Fault, Interrupted, ToolkitError, UserError
from toolkit.recipe.draft import Draft
from toolkit.recipe.schema import Recipe
from toolkit.recipe.yaml_text import dump
from toolkit.runner import launch
from toolkit.runner.elastic import LaunchSpec
from toolkit.runner.first_look import require_paths
from toolkit.runner.on_ray.spec import RaySpec
from toolkit.runner.resolve import resolve_recipe
from toolkit.runner.resume import changed_settings, settings_of
from toolkit.runs.folder import Run, last_unfinished, readable, resume_command
from toolkit.runs.restore import RECIPE, SETTINGS, restore
from toolkit.runs.several import SeveralRuns
from toolkit.runs.writer import RunWriter
from toolkit.utils import distributed, locks
from toolkit.utils.text import listing, print_text

Kind = TypeVar("Kind", bound=SeveralRuns)


class Variation(ABC, Generic[Kind]):
    """Runs of a recipe that differ in one number: what is changed, and how they are summed up.

    kind: reads their folder. report: a module with `write` and the names of its FILES.
    """

    kind: type[Kind]
    report: ModuleType
    fewest: str  # what is said where fewer than two are asked for
    alone: str  # the option of `toolkit run` for one of them

    @abstractmethod
    def numbers(self, recipe: Recipe, count: int) -> list[int]:
        """Return the numbers of so many runs; UserError where there are not so many."""

    @abstractmethod
    def fixed(self, draft: Draft, recipe: Recipe, count: int) -> Draft:
        """Return the recipe with what all of the runs share."""

    @abstractmethod
    def changed(self, draft: Draft, number: int) -> Draft:
        """Return the recipe of one run."""

    @abstractmethod
    def why_apart(self, first: Run, other: Run) -> str | None:
        """Return why a run cannot be summed up with the first; None where it can."""

    @abstractmethod
    def summary(self, runs: Sequence[Run]) -> dict[str, Any]:
        """Return what two finished runs or more give together, as the record has it."""


@dataclass(frozen=True)
class _Order(Generic[Kind]):
    """What was asked for: a variation of a recipe, and how its runs are started."""

    variation: Variation[Kind]
    draft: Draft
    console: Console | None
    spec: LaunchSpec | RaySpec
    resume: bool

    @property
    def option(self) -> str:
        """The option of `toolkit run` that asks for such runs."""
        return f"--{self.variation.kind.one}s"


def run(
    variation: Variation[Kind],
    draft: Draft,
    count: int,
    out: Path | None = None,
    console: Console | None = None,
    spec: LaunchSpec | RaySpec | None = None,
    resume: bool = False,
) -> Kind:
    """Run a recipe so many times, one after another.

    A run that fails is noted, and the others are run; wrong input ends them all.

    Args:
        count: of runs, two or more.
        out: the folder of the runs; runs/<recipe>/<time> where not given.
        spec: as of `launch.run`.
        resume: go on with the runs in `out` (or the recipe's last ones); finished ones are kept.

    Raises:
        UserError: the user's input is wrong.
        ToolkitError: runs failed; the others are there, and summed up.
        Interrupted: a signal came; `resume` goes on.
    """
    order = _Order(variation, draft, console, spec or LaunchSpec(), resume)
    _require_here(order, count)
    require_paths(draft)
    recipe = resolve_recipe(draft)[0]
    numbers = variation.numbers(recipe, count)
    draft = variation.fixed(draft, recipe, count)
    order = _Order(variation, draft, console, order.spec, resume)
    with _folder(order, draft.checked(), numbers, out) as found:
        if found.status != "finished":
            _sum_up(order, found, _run_all(order, found))
        else:  # rows, model and packages are compared as the first run does it
            _run_one(_Order(variation, draft, None, order.spec, True), found, numbers[0])
    return found


def _require_here(order: _Order[Any], count: int) -> None:
    option, one = order.option, order.variation.kind.one
    if count < 2:
        raise UserError(f"{option} {count}: {order.variation.fewest}")
    if isinstance(order.spec, LaunchSpec) and order.spec.nodes > 1:
        raise UserError(
            f"{option} runs on one machine: with --nodes, start each {one} with "
            + order.variation.alone
        )
    if distributed.launched():
        raise UserError(
            f"{option} is for `toolkit run` alone, which starts the processes of each run "
            "(--processes); torchrun or accelerate launch has started this one"
        )


@contextmanager
def _folder(
    order: _Order[Kind], recipe: Recipe, numbers: list[int], out: Path | None
) -> Iterator[Kind]:
    """Make the folder, or open it again; hold its lock, and write into it how that ended."""
    title, kind = order.draft.name, order.variation.kind
    before = (out or last_unfinished(title, kind=kind, file=kind.file)) if order.resume else None
    with ExitStack() as stack:
        if before is None:
            folder = RunWriter.create(out, title)
            stack.callback(folder.release)
        else:
            folder = stack.enter_context(RunWriter.held(before))
        found = _opened(order, folder, recipe, numbers)
        with _end_recorded(found):
            yield found


def _opened(order: _Order[Kind], folder: RunWriter, recipe: Recipe, numbers: list[int]) -> Kind:
    """Return the runs in a folder; where nothing says what they are, they are those asked for."""
    kind, path = order.variation.kind, folder.path
    if readable(path / kind.file) is None:
        own = (f"{kind.one}-{number}" for number in numbers)
        theirs = {locks.NAME, RECIPE, *order.variation.report.FILES, *own}
        if others := sorted(item.name for item in path.iterdir() if item.name not in theirs):
            what = f"no {kind.file} that can be read, but {listing(others, 5)}"
            raise UserError(f"{path} holds no runs of these {kind.one}s: {what}")
        settings = dump(recipe.model_dump(mode="json"))
        kind.write_record(path, {
            **{key: folder.record[key] for key in ("schema_version", "started", "command")},
            "status": "running", "recipe": order.draft.name, f"{kind.one}s": numbers,
            "split_seed": recipe.data.split.seed, SETTINGS: settings,
        })  # fmt: skip
        restore(path)
    found = kind(path)
    _require_same(found, recipe, numbers)
    if numbers != found.numbers:
        found.write(**{f"{kind.one}s": numbers}, status="running")
    return found


@contextmanager
def _end_recorded(found: SeveralRuns) -> Iterator[None]:
    """Write into the folder how runs ended that were interrupted or failed."""
    try:
        yield
    except KeyboardInterrupt as error:
        found.write(status="interrupted")
        reason = str(error).partition("go on with:")[0].rstrip("; ")  # what follows is of one run
        command = resume_command(found.path, found.option)
        raise Interrupted(f"{reason or 'stopped'}; {command}") from None
    except BaseException:
        if found.status == "finished":  # another recipe was asked for
            raise
        if any(found.folder_of(number).exists() for number in found.numbers):
            found.write(status="failed")
        else:  # what is wrong was seen before anything was run
            for name in (found.file, RECIPE, locks.NAME):
                (found.path / name).unlink(missing_ok=True)
            if not any(found.path.iterdir()):
                found.path.rmdir()
        raise


def _require_same(found: SeveralRuns, recipe: Recipe, numbers: Sequence[int]) -> None:
    """Raise UserError where runs in a folder were begun with another recipe or other numbers."""
    where = f"of the runs in {found.path}"
    faults = changed_settings(settings_of(found.path, found.record), recipe, where)
    if not faults and found.numbers != list(numbers[: len(found.numbers)]):
        asked = f"asks for {listing(numbers)}; those {where} are {listing(found.numbers)}"
        faults = [Fault(f"--{found.one}s", f"{asked}: more may be added, none left out")]
    if faults:
        raise UserError(faults)


def _run_all(order: _Order[Any], found: SeveralRuns) -> dict[str, str]:
    """Run all of them; return number -> why it failed.

    Raises:
        UserError: a run has other rows than the first: the data has changed in between.
    """
    failed: dict[str, str] = {}
    first: Run | None = None
    console, one = order.console, found.one
    for place, number in enumerate(found.numbers, start=1):
        if console is not None:
            console.print(f"\n[bold]{one} {number}[/] ({place} of {len(found.numbers)})")
        try:
            done = _run_one(order, found, number)
        except UserError:
            raise
        except ToolkitError as error:
            failed[str(number)] = str(error)
            if console is not None:
                print_text(console, f"{one} {number} failed: {error}", "red")
            continue
        first = first or done
        if why := order.variation.why_apart(first, done):
            raise UserError(Fault(str(done.path), f"differs from {first.path}: {why}"))
    return failed


def _run_one(order: _Order[Any], found: SeveralRuns, number: int) -> Run:
    changed, folder = order.variation.changed(order.draft, number), found.folder_of(number)
    return launch.run(changed, folder, order.console, order.spec, order.resume) or Run(folder)


def _sum_up(order: _Order[Any], found: SeveralRuns, failed: dict[str, str]) -> None:
    """Write what the finished runs gave together, and raise where some have failed."""
    runs, variation = found.runs, order.variation
    several = len(runs) >= 2
    status = "failed" if failed else "finished"
    found.write(status=status, failed=failed, **(variation.summary(runs) if several else {}))
    if several:
        variation.report.write(found)
    if failed:
        number, why = next(iter(failed.items()))
        others = f"; the others are summed up in {found.path / 'README.md'}" if several else ""
        raise ToolkitError(
            f"{len(failed)} of {len(found.numbers)} runs failed, the first with {found.one} "
            f"{number}: {why}{others}; {resume_command(found.path, found.option)}"
        )
