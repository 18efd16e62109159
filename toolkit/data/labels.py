"""Class labels as people write them (text, integers, booleans, ClassLabel) as class ids."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.data.label_cells import (
    all_whole,
    all_written_lists,
    cells,
    counted,
    hot_places,
    kinds,
    written_list,
)
from toolkit.errors import DataError, Fault, RecipeError
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

WHOLE = re.compile(r"^(-?\d+)\.0+$")
IGNORED = -100  # the class id that torch's losses ignore: a class that is missing from train


@dataclass(frozen=True)
class ClassLabels:
    """The classes of a target column, in order of their ids.

    names: one text per class. multilabel: rows hold lists of classes. coded: the column holds ids
    into `names` (a ClassLabel feature). separator: splits one text into several labels. hot: rows
    hold a 0 or 1 for each class; either: some rows may do so. written: rows hold lists that are
    written out as texts. whole: numbers such as 1.0 are the class 1.
    """

    names: tuple[str, ...]
    multilabel: bool = False
    coded: bool = False
    separator: str | None = None
    hot: bool = False
    either: bool = False
    written: bool = False
    whole: bool = False

    @classmethod
    def of(
        cls,
        train: datasets.Dataset,
        column: str,
        *,
        multilabel: bool = False,
        separator: str | None = None,
    ) -> ClassLabels:
        """Find the classes of a column in the rows of train, sorted (numbers by value).

        Raises:
            DataError: fewer than two classes, values that cannot be labels (fractions, objects),
                nearly as many classes as rows, lists without `multilabel` or the reverse.
        """
        import datasets

        feature = train.features[column]
        inner = getattr(feature, "feature", feature)
        if isinstance(inner, datasets.ClassLabel):
            _check_lists(column, feature is not inner, multilabel)
            return cls(tuple(inner.names), multilabel, coded=True)
        first = next(cells(train, column))
        written = separator is None and all_written_lists(kinds(train, column))
        lists = isinstance(first, list) or separator is not None or written
        _check_lists(column, lists, multilabel)
        draft = cls((), multilabel, False, separator, written=written)
        if multilabel and (places := hot_places(map(draft._parts, kinds(train, column)))):
            draft = replace(draft, hot=True)
            return replace(draft, names=tuple(map(str, range(places))))
        seen = {text for value in kinds(train, column) for text in draft.texts(value, column)}
        if not multilabel and all_whole(seen):
            draft = replace(draft, whole=True)
            seen = {WHOLE.sub(r"\1", text) for text in seen}
        _check_classes(column, seen, len(train), multilabel)
        return replace(draft, names=tuple(sorted(seen, key=_order)))

    @classmethod
    def saved(cls, folder: Path) -> ClassLabels:
        """Return the classes of a saved model, by the `id2label` of its config."""
        from transformers import AutoConfig

        found = AutoConfig.from_pretrained(folder).id2label
        names = tuple(str(found[place]) for place in sorted(found))
        return cls(names, whole=all_whole(names))

    def of_several(self, separator: str | None) -> ClassLabels:
        """Return them for rows of any number of labels, however these are written.

        Lists may be texts; those of a 0 or 1 for each class are known by the names of the classes.
        """
        numbered = self.names == tuple(map(str, range(len(self.names))))
        return replace(
            self, multilabel=True, separator=separator, written=separator is None, either=numbered
        )

    def texts(self, value: Any, column: str = "label") -> list[str]:
        """Return the label texts of one cell: one for a single label, any number for several."""
        cells = self._parts(value)
        if self.hot or (self.either and hot_places([cells]) == len(self.names)):
            return [str(place) for place, cell in enumerate(cells) if float(cell)]
        found = [self.names[cell] if self.coded else _text(cell, column) for cell in cells]
        return [WHOLE.sub(r"\1", text) for text in found] if self.whole else found

    def _parts(self, value: Any) -> Sequence[Any]:
        """Return what one cell holds."""
        if isinstance(value, str) and self.separator is not None:
            return [part.strip() for part in value.split(self.separator) if part.strip()]
        if isinstance(value, str) and self.written:
            found = written_list(value)
            return [value] if found is None else found
        return value if isinstance(value, list | tuple) else [value]

    def ids(self, values: Iterable[Any]) -> list[Any]:
        """Return class ids of cells (IGNORED for a class that train lacks), or 0/1 float vectors.

        Vectors, shape (rows, classes), are what binary cross-entropy over several labels takes.
        """
        if not self.multilabel:
            places, cells = self.head["label2id"], list(values)
            if set(map(type, cells)) <= {str}:  # few kinds, and many rows
                known = {cell: places.get(self.texts(cell)[0], IGNORED) for cell in set(cells)}
                return [known[cell] for cell in cells]
            return [places.get(self.texts(cell)[0], IGNORED) for cell in cells]
        present = [set(self.texts(value)) for value in values]
        return [[float(name in found) for name in self.names] for found in present]

    @property
    def head(self) -> dict[str, Any]:
        """The arguments of `from_pretrained` for a head with one output per class."""
        return {
            "num_labels": len(self.names),
            "id2label": dict(enumerate(self.names)),
            "label2id": {name: place for place, name in enumerate(self.names)},
        }

    def predictions(self, probabilities: Iterable[Sequence[float]]) -> list[dict[str, Any]]:
        """Return {"label": most probable class, "scores": {class: probability}} for each row."""
        found = [dict(zip(self.names, map(float, row), strict=True)) for row in probabilities]
        return [{"label": max(row, key=row.__getitem__), "scores": row} for row in found]

    def weights(
        self, wanted: Mapping[str, float] | str, split: datasets.Dataset, column: str
    ) -> list[float]:
        """Return a weight per class: as wanted (1 for those not named), or balanced.

        Balanced weights are scikit-learn's: labels / (classes * labels of the class).

        Args:
            wanted: class -> weight, or "balanced".
            split: whose labels are counted, in `column`.

        Raises:
            RecipeError: a weight for an unknown class.
        """
        if not isinstance(wanted, str):
            if unknown := sorted(set(wanted) - set(self.names)):
                what = f"names {listing(unknown)}; the classes are {listing(self.names)}"
                raise RecipeError(Fault("options.class_weights", what))
            return [wanted.get(name, 1.0) for name in self.names]
        counts = self.counts(split, column)
        return [counts.total() / (len(self.names) * max(counts[n], 1)) for n in self.names]

    def counts(self, split: datasets.Dataset, column: str) -> Counter[str]:
        """Return label -> how many rows have it."""
        found = Counter[str]()
        for value, count in counted(split, column):
            for text in self.texts(value):
                found[text] += count
        return found

    def notes(self, splits: Mapping[str, datasets.Dataset] | None, column: str) -> list[str]:
        """Return a line for each of validation and test that has classes missing from train.

        Lines before tell what else a reader must know of the classes.

        Raises:
            DataError: a split has no class of train at all.
        """
        found = []
        if self.hot:
            last = len(self.names) - 1
            what = f"{column} holds a 0 or 1 for each class"
            found.append(f"{what}: their places, 0 to {last}, name them")
        found += self._alike(splits["train"], column) if splits else []
        for name in ("validation", "test"):
            if not splits or name not in splits:
                continue
            counts = self.counts(splits[name], column)
            unseen = {text: count for text, count in counts.items() if text not in self.names}
            if unseen and len(unseen) == len(counts):
                what = f"no label is a class of train: {listing(unseen, 5)}; the classes are "
                raise DataError(Fault(f"{name} {column}", what + listing(self.names)))
            if unseen:
                classes = listing(f"{label!r} ({count})" for label, count in unseen.items())
                found.append(f"{name} has classes that train lacks, counted as wrong: {classes}")
        return found

    def _alike(self, train: datasets.Dataset, column: str) -> Iterator[str]:
        """Yield a line for classes whose names differ in case, accents' form or blanks only."""
        kinds: dict[str, list[str]] = {}
        for name in self.names:
            key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
            kinds.setdefault(key, []).append(name)
        if not (alike := [names for names in kinds.values() if len(names) > 1]):
            return
        counts = self.counts(train, column)
        for names in alike:
            shown = listing(f"{name!a} ({counts[name]:,} rows)" for name in names)
            yield f"classes differ in case, blanks or the form of accents only: {shown}"

    def unseen(self, values: Iterable[Any]) -> dict[str, int]:
        """Count the labels among cells that are no known class."""
        counts = Counter(text for value in values for text in self.texts(value))
        return {text: count for text, count in counts.items() if text not in self.names}


def _text(value: Any, column: str) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str | int) and (text := str(value).strip()):
        return text
    what = f"holds {value!r}: a class is a text, a whole number or true/false"
    raise DataError(Fault(column, what))


def _order(name: str) -> tuple[int, float, str]:
    try:
        value = float(name)
    except ValueError:
        value = math.nan
    # A class called "nan" does not compare with numbers: the order would depend on the input's.
    return (0, value, name) if math.isfinite(value) else (1, 0.0, name)


def _check_lists(column: str, lists: bool, multilabel: bool) -> None:
    if lists == multilabel:
        return
    what = "holds lists: several labels a row need --set options.multi_label=true" if lists else (
        "holds single labels: options.multi_label needs lists, or options.label_separator for "
        "texts such as 'a;b'"
    )  # fmt: skip
    raise DataError(Fault(column, what))


def _check_classes(column: str, seen: Collection[str], rows: int, multilabel: bool) -> None:
    what = ""
    if not seen:
        what = f"holds no label in any of the {rows:,} rows of train"
    elif len(seen) == 1 and not multilabel:
        what = (f"has one class only ({listing(seen)}) in {rows:,} rows of train: there is nothing "
                "to classify")  # fmt: skip
    elif len(seen) > 50 and len(seen) > rows / 2:
        what = (f"has {len(seen):,} different values in {rows:,} rows of train "
                f"({listing(sorted(seen), 3)}): is it the label?")  # fmt: skip
    if what:
        raise DataError(Fault(column, what))
