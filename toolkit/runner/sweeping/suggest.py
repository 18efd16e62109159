"""The values of the next trial: at random, in the order of a grid, or by Optuna's TPE.

A suggestion depends on the seed, its number and the trials so far alone: a sweep that is resumed
suggests what it would have suggested without the interruption.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toolkit.errors import Fault, RecipeError, UserError
from toolkit.recipe.spaces import Choice
from toolkit.runner.sweeping.checking import METHOD, Spaces, active

SEARCHES = ("random", "tpe", "grid")
AGAIN = 200  # draws that give nothing new, after which all is taken to be tried
AT_RANDOM = 5  # trials, before TPE has something to go by
MOST = 100_000  # combinations of a grid
Trials = Sequence[Mapping[str, Any]]


def check(search: str, spaces: Spaces, origins: Mapping[str, str]) -> None:
    """Refuse what a way of searching cannot do.

    Raises:
        UserError: a grid over numbers that cannot be counted, or Optuna is not installed.
    """
    if search == "tpe":
        optuna()
    if search != "grid":
        return
    if faults := [Fault(f"{origins[key]} {key}", f"a grid cannot list {space}: give a step "
                        "(uniform and int take one), or choice(...)")
                  for key, space in spaces.items() if space.values is None]:  # fmt: skip
        raise RecipeError(faults)
    if (count := size(spaces)) is not None and count > MOST:
        raise UserError(f"the grid has {count:,} combinations: give fewer values, or search random")


def size(spaces: Spaces) -> int | None:
    """Return how many combinations there are at most; None where they cannot be counted."""
    count = 1
    for space in spaces.values():
        if space.values is None:
            return None
        count *= len(space.values)
    return count


def following(
    search: str, spaces: Spaces, trials: Trials, seed: int, greater_is_better: bool
) -> dict[str, Any] | None:
    """Return the values of the trial that comes next; None where all have been tried."""
    known = {_key(trial["values"]) for trial in trials}
    if search == "grid":
        return next((values for values in _grid(spaces) if _key(values) not in known), None)
    number = len(trials)
    if search == "tpe" and number >= AT_RANDOM:
        found = _by_tpe(spaces, trials, seed, greater_is_better)
        if _key(found) not in known:
            return found
    for attempt in range(AGAIN):
        chance = random.Random(f"{seed} {number} {attempt}")  # noqa: S311 - no secret
        found = _reduced(spaces, {key: space.draw(chance) for key, space in spaces.items()})
        if _key(found) not in known:
            return found
    # Few are left, if any: where they can be counted, the first of them.
    return next((values for values in _grid(spaces) if _key(values) not in known), None)


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _reduced(spaces: Spaces, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values without those of settings that the trial's method does not have."""
    return {key: values[key] for key in active(spaces, values)}


def _grid(spaces: Spaces) -> Iterator[dict[str, Any]]:
    lists = [space.values for space in spaces.values()]
    if any(values is None for values in lists) or (size(spaces) or 0) > MOST:
        return
    for combination in itertools.product(*(values or [] for values in lists)):
        yield _reduced(spaces, dict(zip(spaces, combination, strict=True)))


def optuna() -> Any:
    """Return the library.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna as found
    except ImportError as error:
        what = "--search tpe uses Optuna: pip install 'finetune-toolkit[sweep]', or --search random"
        raise UserError(f"{what} ({error})") from None
    found.logging.set_verbosity(found.logging.WARNING)
    return found


def study_of(spaces: Spaces, trials: Trials, greater_is_better: bool, sampler: Any = None) -> Any:
    """Return the trials as a study of Optuna.

    Failed ones are as bad as can be there, so that their neighbourhood is left.
    """
    library = optuna()
    study = library.create_study(
        direction="maximize" if greater_is_better else "minimize",
        sampler=sampler or library.samplers.RandomSampler(seed=0),
    )
    states = library.trial.TrialState
    for trial in trials:
        values = {key: _as_optuna(spaces[key], value) for key, value in trial["values"].items()}
        if any(value is None for value in values.values()):  # the recipe's own, outside of a space
            continue
        seen = {place: line["value"] for place, line in enumerate(trial["evaluations"])
                if line["value"] is not None}  # fmt: skip
        ended = trial["state"] == "validated" and trial["score"] is not None
        study.add_trial(library.trial.create_trial(
            state=states.COMPLETE if ended else states.PRUNED,
            value=trial["score"] if ended else None, params=values,
            distributions={key: _distribution(spaces[key]) for key in values},
            intermediate_values={} if trial["state"] == "failed" else seen,
        ))  # fmt: skip
    return study


def _by_tpe(spaces: Spaces, trials: Trials, seed: int, greater_is_better: bool) -> dict[str, Any]:
    number = int.from_bytes(random.Random(f"{seed} {len(trials)}").randbytes(4), "big")  # noqa: S311
    sampler = optuna().samplers.TPESampler(seed=number, n_startup_trials=AT_RANDOM)
    asked = study_of(spaces, trials, greater_is_better, sampler).ask()
    values: dict[str, Any] = {}
    # A method's name comes first: what it does not have is not asked for.
    for key in sorted(spaces, key=lambda name: name not in ("method", METHOD)):
        if key not in active(spaces, values):
            continue
        values[key] = _asked_of(asked, key, spaces[key])
    return {key: values[key] for key in spaces if key in values}


def _asked_of(trial: Any, key: str, space: Any) -> Any:
    if isinstance(space, Choice):
        return space.options[trial.suggest_categorical(key, range(len(space.options)))]
    how = {"log": space.log}
    if space.whole:
        how["step"] = int(space.step or 1)
        return space.rounded(trial.suggest_int(key, int(space.low), int(space.high), **how))
    how["step"] = space.step
    return space.rounded(trial.suggest_float(key, space.low, space.high, **how))


def _distribution(space: Any) -> Any:
    """Return a space as Optuna has it; the values of a choice are numbered."""
    of = optuna().distributions
    if isinstance(space, Choice):
        return of.CategoricalDistribution(range(len(space.options)))
    if space.whole:
        return of.IntDistribution(int(space.low), int(space.high), log=space.log,
                                  step=int(space.step or 1))  # fmt: skip
    return of.FloatDistribution(space.low, space.high, log=space.log, step=space.step)


def _as_optuna(space: Any, value: Any) -> Any:
    """Return a value as Optuna has it; None where the space does not hold it."""
    if not space.holds(value):
        return None
    return space.options.index(value) if isinstance(space, Choice) else value
