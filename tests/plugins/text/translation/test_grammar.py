"""The sentences of the default recipe: German agrees, and they are all different."""

import pytest
from toolkit_plugins.text.translation import grammar, lexicon

from toolkit.errors import DataError


@pytest.fixture(scope="module")
def pairs():
    rows = grammar.sentences(3000)
    return dict(zip(rows["en"], rows["de"], strict=True))


def test_all_are_different_and_follow_from_the_seed(pairs):
    assert len(pairs) == 3000
    assert grammar.sentences(50)["de"] == list(pairs.values())[:50]
    assert grammar.sentences(50, seed=1)["de"] != list(pairs.values())[:50]


@pytest.mark.parametrize(
    ("clause", "front", "main", "final", "question"),
    [
        (("see", "beings", "present"), True, "heute sieht der alte Mann den kleinen Jungen",
         "der alte Mann heute den kleinen Jungen sieht",
         "sieht der alte Mann heute den kleinen Jungen"),
        (("call", "beings", "present"), False, "der alte Mann ruft heute den kleinen Jungen an",
         "der alte Mann heute den kleinen Jungen anruft",
         "ruft der alte Mann heute den kleinen Jungen an"),
        (("invite", "beings", "can"), False,
         "der alte Mann kann heute den kleinen Jungen einladen",
         "der alte Mann heute den kleinen Jungen einladen kann",
         "kann der alte Mann heute den kleinen Jungen einladen"),
        (("listen to", "dative", "perfect"), False,
         "der alte Mann hat heute dem kleinen Jungen zugehört",
         "der alte Mann heute dem kleinen Jungen zugehört hat",
         "hat der alte Mann heute dem kleinen Jungen zugehört"),
    ],
)  # fmt: skip
def test_verbs_take_their_case_and_their_place(clause, front, main, final, question):
    base, kind, tense = clause
    verb = next(verb for verb in lexicon.VERBS[kind] if verb.base == base)
    subject = grammar.Phrase("the old man", {"nom": "der alte Mann"}, False)
    boy = {"acc": "den kleinen Jungen", "dat": "dem kleinen Jungen"}
    case = "dat" if kind == "dative" else "acc"
    made = grammar.Clause(subject, verb, ((case, grammar.Phrase("the small boy", boy, False)),),
                          tense, ("today", "heute"))  # fmt: skip
    assert grammar._main(made, front) == main
    assert grammar._final(made) == final
    assert grammar._question(made) == question


def test_articles_adjectives_and_nouns_agree(pairs):
    german = " ".join(pairs.values())
    assert "einem Studenten" in german
    assert "den Kindern" in german
    for wrong in ("einen Student ", "den Kinder ", "der Mädchen", "ein alte ", "eine alter "):
        assert wrong not in german.replace(".", " ").replace("?", " ")


def test_english_says_a_or_an(pairs):
    assert any("an old" in text for text in pairs)
    assert not any(" a old" in text or " an man" in text for text in pairs)


@pytest.mark.parametrize("pairs_asked", [0, 10**9])
def test_a_number_that_is_not_made_is_refused(pairs_asked):
    with pytest.raises(DataError, match="from 1 to 200,000"):
        grammar.sentences(pairs_asked)
