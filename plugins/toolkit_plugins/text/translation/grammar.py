"""English sentences with their German translations, made by a small grammar.

Vocabulary is small, and what makes German hard for English speakers is not: gender and case in
articles, adjectives and some nouns; verbs that take the dative; the verb in second place after a
time, and at the end after "weil" (because); participles, infinitives and separated prefixes at the
end. Words are drawn independently, so that test sentences are new though their words are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit.errors import DataError
from toolkit_plugins.text.translation import lexicon
from toolkit_plugins.text.translation.lexicon import ARTICLES, MODALS, Noun, Verb

if TYPE_CHECKING:
    import datasets

MOST = 200_000  # pairs: far fewer than there are
KINDS = ("statement", "question", "because")
Rng = np.random.Generator


class Phrase(NamedTuple):
    """A noun with its article, in both languages; German in each case."""

    english: str
    german: dict[str, str]
    plural: bool


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, when and where. tense: present, perfect, or a modal verb."""

    subject: Phrase
    verb: Verb
    objects: tuple[tuple[str, Phrase], ...]  # (German case, phrase), in order
    tense: str
    time: tuple[str, str] | None = None
    place: tuple[str, str] | None = None


def sentences(pairs: int = 4000, seed: int = 0) -> datasets.Dataset:
    """Return so many different sentences: columns en, de, and kind (one of `KINDS`).

    Raises:
        DataError: a number of pairs that it does not make.
    """
    import datasets

    if not 1 <= pairs <= MOST:
        raise DataError(f"pairs is {pairs}: from 1 to {MOST:,} are made")
    rng, found = np.random.default_rng(seed), dict[str, tuple[str, str]]()
    while len(found) < pairs:
        kind = KINDS[rng.choice(len(KINDS), p=(0.5, 0.2, 0.3))]
        english, german = _pair(rng, kind)
        found[english] = (german, kind)
    texts, kinds = zip(*found.values(), strict=True)
    return datasets.Dataset.from_dict({"en": list(found), "de": list(texts), "kind": list(kinds)})


def _pair(rng: Rng, kind: str) -> tuple[str, str]:
    clause, front = _clause(rng), bool(rng.random() < 0.5)
    if kind == "question":
        return _written(_english_question(clause), "?"), _written(_question(clause), "?")
    if kind == "statement":
        return _written(_english(clause, front), "."), _written(_main(clause, front), ".")
    reason = replace(_clause(rng), time=None)
    clause = replace(clause, verb=_one(rng, lexicon.VERBS["alone"]), objects=(), place=None)
    english = f"{_english(clause, front)} because {_english(reason)}"
    return _written(english, "."), _written(f"{_main(clause, front)}, weil {_final(reason)}", ".")


def _written(text: str, mark: str) -> str:
    return text[0].upper() + text[1:] + mark


def _one(rng: Rng, choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def _clause(rng: Rng) -> Clause:
    kind = _one(rng, ("things", "things", "beings", "beings", "dative", "both"))
    verb = _one(rng, lexicon.VERBS[kind])
    being, thing = (_phrase(rng, kind) for kind in ("beings", "things"))
    objects = {
        "things": (("acc", thing),), "beings": (("acc", being),), "dative": (("dat", being),),
        "both": (("dat", being), ("acc", thing)),
    }[kind]  # fmt: skip
    tense = _one(rng, ("present", "present", "perfect", *MODALS))
    times = lexicon.TIMES["perfect" if tense == "perfect" else "other"]
    time = _one(rng, times) if rng.random() < 0.4 else None
    place = _one(rng, lexicon.PLACES) if rng.random() < 0.3 else None
    return Clause(_phrase(rng, "beings"), verb, objects, tense, time, place)


def _phrase(rng: Rng, kind: str) -> Phrase:
    noun: Noun = _one(rng, lexicon.NOUNS[kind])
    plural = bool(rng.random() < 0.3)
    article = _one(rng, [name for name in ARTICLES if not (plural and name == "a")])
    adjective = _one(rng, lexicon.ADJECTIVES[kind]) if rng.random() < 0.4 else None
    gender = "plural" if plural else noun.gender
    german = {}
    for case in ("nom", "acc", "dat"):
        words = [ARTICLES[article][gender, case]]
        if adjective:
            strong = article in ("a", "my")
            words.append(adjective[1] + lexicon.ENDINGS[strong][gender, case])
        german[case] = " ".join([*words, noun.german(plural, case)])
    name = noun.plural if plural else noun.english
    name = f"{adjective[0]} {name}" if adjective else name
    said = {"this": "these" if plural else "this",
            "a": "an" if name[0] in "aeiou" else "a"}.get(article, article)  # fmt: skip
    return Phrase(f"{said} {name}", german, plural)


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))


def _english_end(clause: Clause, time: bool) -> str:
    objects = (phrase.english for _, phrase in clause.objects)
    last = clause.time[0] if clause.time and time else ""
    return _joined(*objects, clause.place[0] if clause.place else "", last)


def _english(clause: Clause, front: bool = False) -> str:
    plural, verb, front = clause.subject.plural, clause.verb, front and clause.time is not None
    said = {"present": verb.base if plural else verb.third,
            "perfect": f"{'have' if plural else 'has'} {verb.done}"}  # fmt: skip
    modal = MODALS.get(clause.tense)
    doing = f"{modal.english[plural]} {verb.base}" if modal else said[clause.tense]
    time = clause.time[0] if clause.time and front else ""
    return _joined(time, clause.subject.english, doing, _english_end(clause, not front))


def _english_question(clause: Clause) -> str:
    plural, verb = clause.subject.plural, clause.verb
    do, have = ("do", "have") if plural else ("does", "has")
    first, second = {"present": (do, verb.base), "perfect": (have, verb.done),
                     "want": (do, f"want to {verb.base}")}.get(
                         clause.tense, (clause.tense, verb.base))  # fmt: skip
    return _joined(first, clause.subject.english, second, _english_end(clause, True))


def _finite(clause: Clause) -> tuple[str, str]:
    """Return the finite verb, and what stands at the end of a main clause."""
    plural, verb = clause.subject.plural, clause.verb
    if clause.tense == "present":
        return verb.german(plural), verb.prefix
    if clause.tense == "perfect":
        return ("haben" if plural else "hat"), verb.participle
    return MODALS[clause.tense].german[plural], verb.prefix + verb.infinitive


def _middle(clause: Clause, time: bool) -> str:
    objects = (phrase.german[case] for case, phrase in clause.objects)
    first = clause.time[1] if clause.time and time else ""
    return _joined(first, *objects, clause.place[1] if clause.place else "")


def _main(clause: Clause, front: bool) -> str:
    """Return a German main clause: whatever comes first, the finite verb is second."""
    verb, end = _finite(clause)
    subject = clause.subject.german["nom"]
    if front and clause.time is not None:
        return _joined(clause.time[1], verb, subject, _middle(clause, False), end)
    return _joined(subject, verb, _middle(clause, True), end)


def _question(clause: Clause) -> str:
    verb, end = _finite(clause)
    return _joined(verb, clause.subject.german["nom"], _middle(clause, True), end)


def _final(clause: Clause) -> str:
    """Return a German subordinate clause: the finite verb is last, a prefix joined to it."""
    verb, end = _finite(clause)
    last = end + verb if clause.tense == "present" else f"{end} {verb}"
    return _joined(clause.subject.german["nom"], _middle(clause, True), last)
