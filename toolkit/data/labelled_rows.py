"""New rows with their targets, for a model that a run has saved: all of them are test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from toolkit.data import checks, groups, known_inputs, load
from toolkit.data.alignment import classes_of
from toolkit.data.known_inputs import Known
from toolkit.data.load import LoadedData
from toolkit.data.overlap import HIDDEN, compared
from toolkit.data.prediction_rows import chosen, one_split
from toolkit.data.reader import ColumnRoles, read_raw_splits
from toolkit.errors import DataError, Fault
from toolkit.plugin_types.columns import SAME
from toolkit.utils.text import listing, nearest

if TYPE_CHECKING:
    import datasets

    from toolkit.data.row_hashes import Hashes
    from toolkit.plugin import Plugin
    from toolkit.plugin_types import Column
    from toolkit.recipe.schema import DataSpec


def load_labelled(
    spec: DataSpec,
    columns: Mapping[str, tuple[str, Column]],
    plugin: Plugin[Any],
    split: str | None = None,
    *,
    named: Mapping[str, str],
    renamed: Mapping[str, str] = MappingProxyType({}),
    cluster: Sequence[str] = (),
) -> LoadedData:
    """Load and check the rows of one table as the test split of a run is, but for splitting.

    Features that a plugin computes from other rows see the rows of this table alone, as in
    prediction.

    Args:
        spec: the table, and how it is read. columns, cluster: as of `load_splits`.
        split: which one, where the source has several.
        named: key path -> further columns that must be there. renamed: the model's name of a column
            -> what it is called here.

    Raises:
        DataError: all faults of the path, file, columns or rows.
    """
    import datasets

    datasets.disable_progress_bars()
    roles = ColumnRoles.of(columns)
    found, fingerprint, notes = read_raw_splits(spec, roles, plugin)
    shown = str(spec.source)
    raw = {"test": chosen(one_split(found, split, shown), renamed, shown)}
    raw, more, dropped = load.shaped(raw, plugin, roles)
    told = {"source": shown, "advice": "--column {name}=COLUMN"}
    raw, _ = load.check_columns(raw, spec, columns, roles.target, named, **told)
    target = roles.required_target
    raw, unusable = load.inspected(raw, plugin)
    usable, skipped = checks.skip_rows(raw, roles.inputs, target, spec.on_missing, unusable)
    if "test" not in usable:
        what = ", ".join(f"{count:,} with {why}" for why, count in skipped["test"].items())
        raise DataError(Fault(shown, f"no row can be used: {what}"))
    usable = load.derived(usable, plugin)
    counts = {**dropped.get("test", {}), **skipped.get("test", {})}
    made = LoadedData(
        splits=datasets.DatasetDict(test=usable["test"]),
        fingerprint=fingerprint,
        skipped={"test": counts} if counts else {},
        notes=[*notes, *more],
    )
    _compare(made, roles.inputs)
    rest = [name for name in made.splits["test"].column_names if name not in HIDDEN]
    made.splits["test"] = made.splits["test"].select_columns(rest)
    by = groups.named(cluster, spec.group) or load.recurring(made.splits, plugin.clusters())
    made.groups = load.groups_of(made.splits, by)
    return made


def note_seen(loaded: LoadedData, name: str, hashes: Hashes | None) -> None:
    """Mark the rows that a model was trained or chosen on, by the hashes that it was saved with.

    They are no reason to refuse the others: in some tables rows recur by chance.

    Args:
        name: of the model. hashes: None where it has none.
    """
    if hashes is None or not loaded.hashes:
        loaded.notes.append(f"whether {name} was trained on some of these rows is not known")
        return
    seen = known_inputs.among(loaded.hashes["test"], hashes)
    count = "all" if seen.all() else f"{seen.sum():,} of"
    if seen.mean() > known_inputs.MOST:
        what = (
            f"{count} {len(seen):,} rows are known to {name}, which was trained or chosen on them"
        )
        loaded.notes.insert(0, f"{what}: their score measures memory")
    loaded.known = Known((name,), hashes, {"test": int(seen.sum())})
    loaded.overlapping = seen


def like_train(rows: datasets.Dataset, target: str, train: Any = None) -> datasets.Dataset:
    """Return rows whose coded classes (ClassLabel) are the texts or the ids that train has.

    Args:
        train: the feature of the target in train; where not given, classes become texts.

    Raises:
        DataError: train has coded classes, and a row one that is not among them.
    """
    import datasets

    own = classes_of(rows.features[target])
    wanted = None if train is None else classes_of(train)
    if own == wanted:
        return rows
    texts = [_text(cell, own) for cell in rows[target]]
    if wanted is None:
        text = datasets.Value("string")
        several = isinstance(rows.features[target], datasets.List | datasets.LargeList)
        return _with_column(rows, target, texts, datasets.List(text) if several else text)
    ids = {name: place for place, name in enumerate(wanted)}
    flat = [t for cell in texts for t in (cell if isinstance(cell, list) else [cell])]
    if unknown := sorted(set(flat) - {None, *ids}):
        hint = nearest(unknown[0], ids)
        what = f"holds {listing(map(repr, unknown), 5)}; the run's classes are {listing(ids)}"
        raise DataError(Fault(target, f"{what}.{hint}"))
    cells = [[ids[t] for t in cell] if isinstance(cell, list) else ids.get(cell) for cell in texts]
    return _with_column(rows, target, cells, train)


def _text(cell: Any, names: Sequence[str] | None) -> Any:
    """Return the text of a class, or of each of a list; None for a row without one."""
    if isinstance(cell, list):
        return [_text(one, names) for one in cell]
    if cell is None or (names and cell < 0):
        return None
    return names[cell] if names else str(cell)


def _with_column(
    rows: datasets.Dataset, name: str, cells: list[Any], feature: Any
) -> datasets.Dataset:
    import datasets

    order = rows.column_names
    column = datasets.Dataset.from_dict({name: cells}, datasets.Features({name: feature}))
    made = datasets.concatenate_datasets([rows.remove_columns(name), column], axis=1)
    return made.select_columns(order)


def _compare(made: LoadedData, inputs: Sequence[str]) -> None:
    """Add the hashes of the rows, by which they are compared with what a model has seen."""
    rows = made.splits["test"]
    if inputs or SAME in rows.column_names:
        hashes, _ = compared(rows, inputs)
        made.hashes = {"test": hashes}
        made.duplicates = {"test": hashes.duplicates(alike=SAME not in rows.column_names)}
        made.digests = {"test": hashes.digest()}
