"""`plugin:support-mails`: sentences of business mails with five types of entities, made up.

The grammar: a sentence is one of the templates in mails.yaml, written by hand, whose places are
filled at random. A person is a first name, a last name, both, or with a title; an organisation is
one or two words with or without its legal form; a product is a name with or without a version; a
location is a town or a street; a date is a day, a month, a quarter, a year, or relative to today.

Sentences of one template are alike: the column `template` has it, for intervals by template. Train,
validation and test share neither templates nor, for half of the names, the lists that these
are drawn from: of the mentions of test about half are new. Many names are of several types
(Austin, Jordan, Mercury), and many are words as well (May, Will, Pilot).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

SPLITS = ("train", "validation", "test")
SHARES = (0.64, 0.12, 0.24)  # of templates and sentences
COMMON = 0.5  # share of names that any split may draw
PLACE = re.compile(r"\{(\w+)\}")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September",
          "October", "November", "December")  # fmt: skip
Names = Mapping[str, Sequence[str]]


def mails(
    rows: int = 720, seed: int = 0, sentences: int = 1, form: str = "spans"
) -> datasets.DatasetDict:
    """Return texts with their entities: PERSON, ORGANIZATION, PRODUCT, LOCATION, DATE.

    Args:
        rows: texts of all splits. seed: of the random choices. sentences: of each text.
        form: of the rows: "spans", "tokens" (words and tags), or "doccano" (as it exports them).
    """
    import datasets

    from toolkit.errors import DataError, Fault
    from toolkit.utils.text import listing, nearest

    if form not in FORMS_OF_ROWS:
        what = f"is none of {listing(FORMS_OF_ROWS)}.{nearest(str(form), FORMS_OF_ROWS)}"
        raise DataError(Fault(f"form={form}", what))
    rng = random.Random(seed)  # noqa: S311 - no secrets
    lists, written = _written()
    templates = _shared_out(written, rng)
    pools = {key: _pools(names, rng) for key, names in lists.items()}
    found = {}
    for place, (split, share) in enumerate(zip(SPLITS, SHARES, strict=True)):
        names, made = {key: own[place] for key, own in pools.items()}, []
        for number in range(round(rows * share)):
            chosen = rng.sample(templates[place], min(sentences, len(templates[place])))
            row = FORMS_OF_ROWS[form](number, *_text(chosen, names, rng))
            made.append({**row, "template": chosen[0]})
        found[split] = datasets.Dataset.from_list(made, on_mixed_types="use_json")
    return datasets.DatasetDict(found)


def _written() -> tuple[dict[str, list[str]], list[str]]:
    """Return the lists of names, and the templates."""
    import yaml

    text = files(__package__).joinpath("mails.yaml").read_text(encoding="utf-8")
    lists: dict[str, str] = yaml.safe_load(text)
    templates = lists.pop("templates").splitlines()
    return {key: [n.strip() for n in names.split(",")] for key, names in lists.items()}, templates


def _shared_out(items: Sequence[str], rng: random.Random) -> list[list[str]]:
    """Return the items of each split, none in two."""
    mixed = rng.sample(list(items), len(items))
    first = round(SHARES[0] * len(mixed))
    second = first + round(SHARES[1] * len(mixed))
    return [mixed[:first], mixed[first:second], mixed[second:]]


def _pools(items: Sequence[str], rng: random.Random) -> list[list[str]]:
    """Return the names that each split draws from: common ones, and its own."""
    mixed = rng.sample(list(items), len(items))
    common = round(COMMON * len(mixed))
    return [[*mixed[:common], *own] for own in _shared_out(mixed[common:], rng)]


def _text(
    templates: Sequence[str], names: Names, rng: random.Random
) -> tuple[str, list[tuple[int, int, str]]]:
    """Return a text of some sentences, and its entities."""
    text, spans = "", list[tuple[int, int, str]]()
    for template in templates:
        text, at = f"{text} ".lstrip(), 0
        for match in PLACE.finditer(template):
            text += template[at : match.start()]
            label, fill = MAKERS[match[1]]
            filled = fill(names, rng)
            spans.append((len(text), len(text) + len(filled), label))
            text, at = text + filled, match.end()
        text += template[at:]
    return text, spans


def _person(names: Names, rng: random.Random) -> str:
    first, last = rng.choice(names["first"]), rng.choice(names["last"])
    return rng.choice([first, f"{first} {last}", f"{first} {last}", f"{first[0]}. {last}", last])


def _organization(names: Names, rng: random.Random) -> str:
    name = rng.choice(names["organization"])
    return rng.choice([name, f"{name} {rng.choice(names['form'])}"])


def _product(names: Names, rng: random.Random) -> str:
    name = rng.choice(names["product"])
    version = f"{rng.randint(2, 9)}{rng.choice(['', '.0', '.5'])}"
    return rng.choice([name, name, f"{name} {version}", f"{name} {rng.choice(['Pro', 'Mobile'])}"])


def _town(names: Names, rng: random.Random) -> str:
    return rng.choice(names["town"])


def _location(names: Names, rng: random.Random) -> str:
    street = f"{rng.randint(1, 90)} {rng.choice(names['street'])}"
    return rng.choice([_town(names, rng), street])


def _day(names: Names, rng: random.Random) -> str:
    """Return what may stand behind "on"."""
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(2021, 2027)
    return rng.choice([
        rng.choice(DAYS), f"{day} {month}", f"{month} {day}, {year}", f"the {day}th of {month}",
        f"{year}-{MONTHS.index(month) + 1:02}-{day:02}", f"{rng.choice(DAYS)}, {day} {month}",
    ])  # fmt: skip


def _month(names: Names, rng: random.Random) -> str:
    """Return what may stand behind "in"."""
    month, year = rng.choice(MONTHS), rng.randint(2021, 2027)
    return rng.choice([month, f"{month} {year}", f"Q{rng.randint(1, 4)} {year}", str(year)])


def _date(names: Names, rng: random.Random) -> str:
    """Return what may stand behind "by" and alone."""
    others = [f"next {rng.choice(DAYS)}", "tomorrow", f"the end of {rng.choice(MONTHS)}"]
    return rng.choice([_day(names, rng), _month(names, rng), *others])


#: What fills a place of a template -> the type of the entity, and how it is made.
MAKERS: Mapping[str, tuple[str, Callable[[Names, random.Random], str]]] = {
    "person": ("PERSON", _person), "organization": ("ORGANIZATION", _organization),
    "product": ("PRODUCT", _product), "location": ("LOCATION", _location),
    "town": ("LOCATION", _town), "date": ("DATE", _date), "day": ("DATE", _day),
    "month": ("DATE", _month),
}  # fmt: skip


def _as_spans(number: int, text: str, spans: Sequence[tuple[int, int, str]]) -> dict[str, Any]:
    entities = [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans]
    return {"text": text, "entities": entities}


def _as_tokens(number: int, text: str, spans: Sequence[tuple[int, int, str]]) -> dict[str, Any]:
    from toolkit_plugins.text.token_classification.words import split

    words = split(text)
    tags = ["O"] * len(words)
    for start, end, label in spans:
        inside = [place for place, word in enumerate(words) if start <= word[0] < end]
        for place in inside:
            tags[place] = f"{'B' if place == inside[0] else 'I'}-{label}"
    return {"tokens": [text[start:end] for start, end in words], "tags": tags}


def _as_doccano(number: int, text: str, spans: Sequence[tuple[int, int, str]]) -> dict[str, Any]:
    return {"id": number, "text": text, "label": [list(span) for span in spans], "Comments": []}


FORMS_OF_ROWS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "spans": _as_spans, "tokens": _as_tokens, "doccano": _as_doccano,
}  # fmt: skip
