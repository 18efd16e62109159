"""Rows as they come - words with tags, texts with spans, files - as texts with entities."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from toolkit.errors import DataError, Fault
from toolkit.plugin_types import ReshapedRows
from toolkit.utils.text import listing, nearest
from toolkit_plugins.text.cells import text_of
from toolkit_plugins.text.token_classification import conll, exports, spans, tagged
from toolkit_plugins.text.token_classification.tags import Scheme, is_outside, scheme_of
from toolkit_plugins.text.token_classification.words import joined

if TYPE_CHECKING:
    import datasets

SHOWN = 5
MOST_LOST = 0.5  # share of rows that cannot be used, above which something is wrong with all
NUMBER = re.compile(r"-?\d+")
NO_TEXT = "no text"
JOINED = "texts are replaced by their words, joined by spaces, which the tags are of"
LATE = "runs of I- go on with no entity, and are none (as in seqeval's strict mode)"
#: Reasons that say nothing of the quality of a file.
EXPECTED = (exports.UNLABELLED, exports.CANCELLED, exports.REJECTED)


class Columns(Protocol):
    """The options that are read here."""

    @property
    def text(self) -> str: ...
    @property
    def entities(self) -> str: ...
    @property
    def tokens(self) -> str: ...
    @property
    def tags(self) -> str | None: ...
    @property
    def tag_names(self) -> Sequence[str] | None: ...
    @property
    def tag_column(self) -> int | None: ...


@dataclass
class _Found:
    """What rows became. names: how messages call them. why: row -> why it cannot be used."""

    split: str
    names: Sequence[str] | None = None
    texts: list[Any] = field(default_factory=list)
    entities: list[Sequence[tuple[int, int, str]]] = field(default_factory=list)
    tokens: list[list[str] | None] = field(default_factory=list)
    why: dict[int, str] = field(default_factory=dict)
    faults: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def name(self, row: int) -> str:
        return self.names[row] if self.names else f"{self.split} row {row + 1}"

    def named(self, rows: Sequence[int]) -> str:
        """Return the first rows by name, and how many more there are."""
        more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
        if self.names:
            return f"{', '.join(self.name(row) for row in rows[:SHOWN])}{more}"
        first = ", ".join(f"{row + 1:,}" for row in rows[:SHOWN])
        return f"{self.split} row{'s' if len(rows) > 1 else ''} {first}{more}"


def reshaped(
    rows: datasets.Dataset, split: str, options: Columns, encoding: str = "utf-8"
) -> ReshapedRows:
    """Return rows with a text, its entities, and the words that it came as, if any.

    Args:
        split: of rows to predict ("predict") none is dropped, and no tags or spans are needed.
        encoding: of files of columns.

    Raises:
        DataError: columns are missing, tags are unknown, spans overlap, or most rows cannot be
            used; all such rows at once.
    """
    found, labelled = _Found(split), split != "predict"
    if rows.column_names == ["path"] and all(
        isinstance(path, str) and path.lower().removesuffix(".gz").endswith(conll.SUFFIXES)
        for path in rows["path"]
    ):
        rows = _of_files(rows, options, found, encoding, labelled)
    words = tagged.columns_of(rows, options.tokens, options.tags, options.tag_names)
    form = exports.form_of(rows, options.text, options.entities)
    if words is not None and (words.tags or not (labelled and form and form.labelled)):
        _require(labelled, words.tags, "tags", rows, options)
        _read_tags(rows, words, found, labelled, options.text)
    elif form is not None:
        _require(labelled, form.labelled or None, "entities", rows, options)
        _read_spans(rows, form, found, labelled)
    else:
        _require(True, None, "text", rows, options)
    _refuse(found, labelled)
    return ReshapedRows(_built(rows, options, found, words, labelled), *_told(found, labelled))


def _of_files(
    rows: datasets.Dataset, options: Columns, found: _Found, encoding: str, labelled: bool
) -> datasets.Dataset:
    import datasets

    columns, places, notes = tagged.from_files(rows["path"], encoding, labelled, options.tag_column)
    found.names, found.notes = places, notes
    names = {"tokens": options.tokens, "tags": options.tags or "tags"}
    return datasets.Dataset.from_dict({names.get(n, n): cells for n, cells in columns.items()})


def _require(
    wanted: bool, column: Any, missing: str, rows: datasets.Dataset, options: Columns
) -> None:
    """Raise DataError where rows have no text, or lack what is to be learned."""
    if not wanted or column is not None:
        return
    usual = {
        "tags": f"the tags of the words (looked for {listing(tagged.TAGS)})",
        "entities": f"the entities of the texts (looked for {listing(exports.SPANS)})",
        "text": f"the text ({options.text!r}) or its words ({options.tokens!r})",
    }
    there = rows.column_names
    what = f"there is no column with {usual[missing]}. Columns found: {listing(there, 40)}."
    near = nearest(getattr(options, missing) or missing, there)
    way = "" if missing != "text" else " Files of columns end in " + listing(conll.SUFFIXES) + "."
    raise DataError(Fault(f"options.{missing}", f"{what}{near} Name it with --set "
                          f"options.{missing}=COLUMN.{way}"))  # fmt: skip


def _read_tags(
    rows: datasets.Dataset, columns: tagged.Columns, found: _Found, labelled: bool, text: str
) -> None:
    """Read words and tags: spans of words become spans of the joined text."""
    wanted = {columns.tokens, columns.tags, text}
    chosen = [name for name in rows.column_names if name in wanted]
    given, places = list[list[str]](), list[list[tuple[int, int]]]()
    for row, cells in enumerate(_rows(rows, chosen)):
        words = tagged.words(cells[columns.tokens], found.counts)
        own, why = tagged.tags(cells.get(columns.tags or ""), columns.names)
        whole, where = joined(words)
        beside = cells.get(text)
        other = isinstance(beside, str) and beside not in ("", whole)
        # To predict, offsets must be those of the text: of rows without tags, training reads it.
        alone = not labelled and (not words or (other and not columns.tags))
        found.counts[JOINED] += other and not alone
        found.tokens.append(None if alone else words)
        found.texts.append(beside if alone else whole)
        places.append(where)
        if labelled:
            why = tagged.NO_TOKENS if not words else why
            why = why or (tagged.UNEQUAL if len(own) != len(words) else "")
            found.why |= {row: why} if why else {}
        given.append([] if why else own)
    if not labelled:
        return
    scheme = _scheme(given, columns, found)
    there = {tag for own in given for tag in own}
    known = sorted(tag for tag in there if scheme.knows(tag) and not NUMBER.fullmatch(tag))
    for row, (own, where) in enumerate(zip(given, places, strict=True)):
        for tag in dict.fromkeys(tag for tag in own if tag not in known):
            what = f"the tag {tag!r} is none of the scheme {scheme.name}.{nearest(tag, known)}"
            found.faults[f"{what} Known: {listing(known)}."].append(row)
        found.entities.append([(where[first][0], where[last - 1][1], label)
                               for first, last, label in scheme.spans(own)])  # fmt: skip


def _scheme(given: Sequence[Sequence[str]], columns: tagged.Columns, found: _Found) -> Scheme:
    """Return the scheme of a split's tags, and note it; numbers without names are refused."""
    there = {tag for tags in given for tag in tags}
    numbers = {tag for tag in there if NUMBER.fullmatch(tag)}
    if numbers and columns.names is None:
        what = (f"holds numbers ({listing(sorted(numbers), 5)}) without names: name them in order, "
                "--set 'options.tag_names=[O, B-PERSON, I-PERSON, ...]'")  # fmt: skip
        raise DataError(Fault(str(columns.tags), what))
    scheme = scheme_of(given)
    if not scheme.prefixed and not any(map(is_outside, there)):
        way = "options.tag_column=NUMBER" if found.names else "options.tags=COLUMN"
        what = (f"holds {listing(sorted(there), 5)}: no word is outside of all entities (O). "
                f"Is it the column of the tags? Name it with --set {way}.")  # fmt: skip
        raise DataError(Fault(str(columns.tags), what))
    if found.split == "train":
        found.notes.append(f"tags ({columns.tags}): {scheme.name}")
    if scheme.late:
        found.counts[LATE] += scheme.late
    return scheme


def _read_spans(rows: datasets.Dataset, form: exports.Form, found: _Found, labelled: bool) -> None:
    """Read texts and their spans."""
    whole = [form.read(row) for row in _rows(rows, rows.column_names)]
    found.texts = [text_of(one.text, "text") if one.text is not None else None for one in whole]
    found.tokens = [None] * len(whole)
    if not labelled:
        return
    pairs = [(text or "", one.spans or ()) for text, one in zip(found.texts, whole, strict=True)]
    counting = spans.counting_of(pairs)
    if found.split == "train":
        found.notes.append(f"rows are read as {form.name}")
    if counting != spans.Counting():
        found.notes.append(f"{found.split}: offsets count {counting}, and are read so")
    for row, ((text, given), one) in enumerate(zip(pairs, whole, strict=True)):
        read = spans.read(text, given, counting)
        found.counts += read.counts
        found.counts[one.told] += bool(one.told)
        if why := one.why or (read.why if text else NO_TEXT):
            found.why[row] = why
        elif read.overlap:
            what = f"entities overlap or are nested: {read.overlap}"
            found.faults[what].append(row)
        found.entities.append(read.spans)


def _rows(rows: datasets.Dataset, names: Sequence[str]) -> Any:
    for batch in rows.select_columns(list(names)).iter(1000):
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))


def _refuse(found: _Found, labelled: bool) -> None:
    """Raise DataError for what must not be learned from, and where most rows are of no use."""
    faults = [Fault(found.named(rows), what) for what, rows in list(found.faults.items())[:SHOWN]]
    if len(found.faults) > SHOWN:
        faults.append(Fault(found.split, f"and {len(found.faults) - SHOWN:,} more such faults"))
    bad = {row: why for row, why in found.why.items() if why not in EXPECTED}
    if labelled and len(bad) > MOST_LOST * len(found.texts):
        faults += [Fault(found.named(rows), f"{why} (most rows cannot be used)")
                   for why, rows in _by_reason(bad).items()]  # fmt: skip
    if faults:
        raise DataError(faults)


def _by_reason(why: Mapping[int, str]) -> dict[str, list[int]]:
    reasons: dict[str, list[int]] = defaultdict(list)
    for row, reason in why.items():
        reasons[reason].append(row)
    return reasons


def _told(found: _Found, labelled: bool) -> tuple[dict[str, int], list[str]]:
    """Return reason -> rows dropped, and notes."""
    notes = [f"{found.split}: {count:,} {what}" for what, count in found.counts.items() if count]
    if not labelled:
        return {}, [*found.notes, *notes]
    reasons = _by_reason(found.why)
    notes += [f"{why}: {found.named(rows)}" for why, rows in reasons.items() if why not in EXPECTED]
    return {why: len(rows) for why, rows in reasons.items()}, [*found.notes, *notes]


def _built(
    rows: datasets.Dataset, options: Columns, found: _Found, words: Any, labelled: bool
) -> datasets.Dataset:
    """Return the rows that are used, with the columns that the options name."""
    import datasets

    kept = [row for row in range(len(rows)) if not (labelled and row in found.why)]
    text = datasets.Value("string")
    made: dict[str, list[Any]] = {options.text: [found.texts[row] for row in kept]}
    features: dict[str, Any] = {options.text: text}
    if any(found.tokens[row] is not None for row in kept):
        made[options.tokens] = [found.tokens[row] for row in kept]
        features[options.tokens] = datasets.List(text)
    if labelled:
        made[options.entities] = [
            [dict(zip(("start", "end", "label"), span, strict=True)) for span in found.entities[r]]
            for r in kept
        ]
        place = datasets.Value("int64")
        features[options.entities] = datasets.List({"start": place, "end": place, "label": text})
    others = rows.select(kept)
    # Words that were not read need not be those of the text: they do not stay beside it.
    others = others.remove_columns(
        [name for name in rows.column_names if name in {*made, options.tokens}]
    )
    new = datasets.Dataset.from_dict(made, features=datasets.Features(features))
    return datasets.concatenate_datasets([others, new], axis=1) if others.column_names else new
