"""Rows with character spans, as annotation programs export them.

Doccano, Label Studio (JSON and JSON-MIN), Prodigy, spaCy's training data and its Doc.to_json().
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit_plugins.text.cells import written_out
from toolkit_plugins.text.token_classification.spans import Given

TEXTS = ("text", "data", "content", "sentence")
SPANS = ("entities", "spans", "ents", "label", "labels")
START = ("start", "start_offset", "start_char", "startOffset", "begin")
END = ("end", "end_offset", "end_char", "endOffset")
LABEL = ("label", "labels", "type", "entity_group", "entity", "tag")
ANNOTATIONS = ("annotations", "completions")
PAIR = ("0", "1")  # the columns of rows that are lists
# Why a row is not used.
UNLABELLED = "not annotated"
CANCELLED = "its annotations were cancelled"
REJECTED = "rejected or ignored by the annotator"
UNREADABLE = "spans that are no list of {start, end, label}"
SEVERAL = "texts have several annotations: the ground truth, or else the first, was taken"


@dataclass(frozen=True)
class Annotated:
    """A row. spans: None where it has none to read. why: it is not used. told: what was chosen."""

    text: Any
    spans: Sequence[Given] | None
    why: str = ""
    told: str = ""


@dataclass(frozen=True)
class Form:
    """How rows are laid out. columns: of text and spans, the others may be kept."""

    name: str
    read: Callable[[Mapping[str, Any]], Annotated]
    labelled: bool = True


def form_of(rows: Any, text: str, entities: str) -> Form | None:
    """Return how rows have texts with spans; None where they have no text.

    Args:
        text, entities: the columns of a table that is in shape already.
    """
    names, features = rows.column_names, rows.features
    if set(names) == set(PAIR):
        return Form("spaCy's training data", _pair)
    key = next((name for name in ANNOTATIONS if name in names), "")
    if key and isinstance(features.get("data"), Mapping):
        return Form("an export of Label Studio", lambda row: _task(row, key, text))
    # A name that the options choose is meant; the usual ones are looked for.
    wanted: Sequence[str] = (text, *TEXTS) if text in TEXTS else (text,)
    texts = [n for n in wanted if n in names and _is_text(features[n])]
    if not texts:
        return None
    first = rows[0] if len(rows) else {}
    wanted = (entities, *SPANS) if entities in SPANS else (entities,)
    spans = [n for n in wanted if n in names and _may_be_spans(features[n], first, n)]
    column = spans[0] if spans else ""
    named = "texts with spans" if column == entities else f"texts with spans in {column!r}"
    return Form(named, lambda row: _plain(row, texts[0], column), bool(spans))


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in ("string", "large_string")


def _may_be_spans(feature: Any, first: Mapping[str, Any], name: str) -> bool:
    """Return whether a column may hold spans: lists, but of texts; objects; or either as text."""
    if _is_text(feature):
        return str(first.get(name) or "").lstrip()[:1] in ("[", "{")
    inner = getattr(feature, "feature", None)
    return not (inner is not None and _is_text(inner)) and not hasattr(feature, "names") and (
        inner is not None or isinstance(feature, Mapping) or type(feature).__name__ == "Json"
    )  # fmt: skip


def _plain(row: Mapping[str, Any], text: str, column: str) -> Annotated:
    if row.get("answer") in ("reject", "ignore") and "_input_hash" in row:  # Prodigy
        return Annotated(row[text], None, REJECTED)
    return _annotated(row[text], row.get(column))


def _pair(row: Mapping[str, Any]) -> Annotated:
    found = row["1"]
    return _annotated(row["0"], found.get("entities") if isinstance(found, Mapping) else found)


def _annotated(text: Any, spans: Any) -> Annotated:
    try:
        found = given(spans)
    except (TypeError, ValueError):
        return Annotated(text, None, UNREADABLE)
    return Annotated(text, found, "" if found is not None else UNLABELLED)


def given(value: Any) -> list[Given] | None:
    """Return the spans in a cell; None where it is empty.

    Args:
        value: a list of objects or of [start, end, label], an object of lists, or these as text.

    Raises:
        ValueError, TypeError: it is none of these.
    """
    if isinstance(value, str):
        value = written_out(value) if value.strip() else None
    if value is None:
        return None
    if isinstance(value, Mapping):
        if not any(isinstance(part, list) for part in value.values()):
            value = [value]
        else:
            rows = zip(*value.values(), strict=True)
            value = [dict(zip(value, row, strict=True)) for row in rows]
    if not isinstance(value, list | tuple):
        raise TypeError
    return [span for item in value for span in _spans(item)]


def _spans(item: Any) -> Iterator[Given]:
    if isinstance(item, list | tuple) and len(item) >= len(("start", "end", "label")):
        yield Given(*item[:3])
        return
    if not isinstance(item, Mapping):
        raise TypeError
    found = [next((item[key] for key in keys if item.get(key) is not None), None)
             for keys in (START, END, LABEL)]  # fmt: skip
    own = item.get("text")
    start, end, labels = found
    for label in labels if isinstance(labels, list) and labels else [labels]:
        yield Given(start, end, label or None, own if isinstance(own, str) else None)


def _task(row: Mapping[str, Any], key: str, text: str) -> Annotated:
    """Read a task of Label Studio: the annotation that counts, of those not cancelled."""
    data = row["data"] or {}
    made = _objects(row[key])
    texts = [value for name, value in data.items() if isinstance(value, str)]
    whole = next((data[n] for n in (text, *TEXTS) if data.get(n) is not None), (*texts, None)[0])
    kept = [one for one in made if not one.get("was_cancelled")]
    if not kept:
        return Annotated(whole, None, CANCELLED if made else UNLABELLED)
    chosen = next((one for one in kept if one.get("ground_truth")), kept[0])
    spans = [span for one in _objects(chosen.get("result")) for span in _result(one)]
    return Annotated(whole, spans, told=SEVERAL if len(kept) > 1 else "")


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; what is none is no annotation."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _result(found: Mapping[str, Any]) -> Iterator[Given]:
    """Yield the spans of a result of Label Studio; choices and relations have none.

    Of a region that has labels, a choice, a rating or a text may say more: they repeat its place.
    """
    (value,) = _objects([found.get("value")]) or ({},)
    labels = value.get("labels", value.get("hypertextlabels"))
    more = value.get("start") is None or not str(found.get("type") or "labels").endswith("labels")
    if labels is None and more:
        return
    (ends,) = _objects([value.get("globalOffsets")]) or (
        value,
    )  # of the text, where it is shown as HTML
    yield from _spans({**value, "start": ends.get("start"), "end": ends.get("end"),
                       "labels": labels, "label": None})  # fmt: skip
