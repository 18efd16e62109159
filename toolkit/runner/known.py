"""Test rows that the starting model, or a teacher, has been trained or chosen on."""

from __future__ import annotations

from pathlib import Path

from toolkit.data import known_inputs
from toolkit.data.known_inputs import Known
from toolkit.data.load import LoadedData
from toolkit.errors import DataError, Fault, UserError
from toolkit.models import methods
from toolkit.models.find import ModelFiles, find_model
from toolkit.recipe.schema import Recipe
from toolkit.runs.predictor import recipe_of
from toolkit.utils.text import listing


def note_known(loaded: LoadedData, recipe: Recipe, files: ModelFiles) -> None:
    """Find the rows that the models of a run have seen, and mark those of test as overlapping.

    Raises:
        DataError: most of the test rows are among them.
        ModelError: a model's record of them is damaged.
    """
    if not loaded.hashes:
        return
    folders = _folders(recipe, files)
    read = {name: known_inputs.read(folder) for name, folder in folders.items()}
    loaded.notes += [
        f"{name} was saved by a run, and does not say on which rows: whether test rows are among "
        "them is unknown"
        for name, hashes in read.items() if hashes is None and _run_of(folders[name])
    ]  # fmt: skip
    found = {name: hashes for name, hashes in read.items() if hashes is not None}
    if not found:
        return
    hashes = known_inputs.united(found.values())
    seen = {name: known_inputs.among(rows, hashes) for name, rows in loaded.hashes.items()}
    counts = {name: int(of.sum()) for name, of in seen.items() if name != "train"}
    loaded.known = Known(tuple(found), hashes, counts)
    if loaded.overlapping is None:
        return
    # Rows that are in this run's own train as well, as some tables have them by chance, say nothing
    # of how the other run was split.
    own = known_inputs.among(loaded.hashes["test"], known_inputs.outside_test(loaded.hashes))
    if (seen["test"] & ~own).sum() > known_inputs.MOST * (~own).sum():
        raise DataError(_refusal(loaded.known, len(own), folders))
    loaded.overlapping = loaded.overlapping | seen["test"]


def _folders(recipe: Recipe, files: ModelFiles) -> dict[str, Path]:
    """Return the model that a run starts from, and those that its method reads, by their names."""
    found = {files.id: files.path}
    for name in methods.method_for(recipe.method).models():
        path = Path(name).expanduser()
        if (path / "run.json").is_file():
            found[name] = path / "model"
            continue
        try:
            found[name] = find_model(name).path
        except UserError:  # reported where it is loaded
            continue
    return {name: _recorded(path) for name, path in found.items()}


def _recorded(folder: Path) -> Path:
    """Return the folder with the record of a model: of a checkpoint that of its run's model."""
    run = _run_of(folder)
    if run is None or (folder / known_inputs.FILE).is_file():
        return folder
    return run / "model"


def _run_of(folder: Path) -> Path | None:
    """Return the folder of the run that a model or checkpoint is in."""
    inside = [above for above in list(folder.parents)[:2] if (above / "run.json").is_file()]
    return next(iter(inside), None)


def _refusal(known: Known, rows: int, folders: dict[str, Path]) -> Fault:
    runs = (_run_of(folders[name]) for name in known.models)
    seed = next(filter(None, map(_seed_of, filter(None, runs))), "the seed of its run")
    what = (
        f"{known.rows['test']:,} of {rows:,} test rows are known to {listing(known.models)}, which "
        "was trained or chosen on them: a score on them would measure memory. Split the same rows "
        f"by the same data.split as the run that made it, with data.split.seed={seed}, or give "
        "test a file of its own (data.source={train: ..., test: ...})"
    )
    return Fault("data.split", what)


def _seed_of(run: Path) -> str | None:
    """Return the seed by which a run has split its rows."""
    try:
        recipe = recipe_of(run)
    except UserError:
        return None
    return str(recipe.seed if recipe.data.split.seed is None else recipe.data.split.seed)
