"""The words of `grammar`: English and German, with gender, plural, and forms of verbs."""

from __future__ import annotations

from typing import NamedTuple, TypeVar


class Noun(NamedTuple):
    """oblique: singular in all cases but the nominative, where it differs (weak nouns)."""

    english: str
    plural: str
    nominative: str
    plural_german: str
    gender: str
    oblique: str = ""

    def german(self, plural: bool, case: str) -> str:
        """Return the German form; the dative plural ends in -n, but for foreign -s."""
        if not plural:
            return self.nominative if case == "nom" else self.oblique or self.nominative
        added = case == "dat" and self.plural_german[-1] not in "ns"
        return self.plural_german + "n" * added


class Verb(NamedTuple):
    """base, third, done: English see, sees, seen. third_german, infinitive without the prefix."""

    base: str
    third: str
    done: str
    third_german: str
    infinitive: str
    participle: str
    prefix: str = ""

    def german(self, plural: bool) -> str:
        """Return the present tense; the third person plural is the infinitive."""
        return self.infinitive if plural else self.third_german


Word = TypeVar("Word", Noun, Verb)


class Modal(NamedTuple):
    """Singular and plural in both languages."""

    english: tuple[str, str]
    german: tuple[str, str]


def _table(text: str, kind: type[Word]) -> list[Word]:
    lines = [line.split(",") for line in text.strip().splitlines()]
    return [kind(*(form.strip() for form in line)) for line in lines]


NOUNS: dict[str, list[Noun]] = {
    "beings": _table("""
        man, men, Mann, Männer, m
        woman, women, Frau, Frauen, f
        child, children, Kind, Kinder, n
        boy, boys, Junge, Jungen, m, Jungen
        girl, girls, Mädchen, Mädchen, n
        teacher, teachers, Lehrer, Lehrer, m
        neighbour, neighbours, Nachbar, Nachbarn, m, Nachbarn
        sister, sisters, Schwester, Schwestern, f
        friend, friends, Freund, Freunde, m
        aunt, aunts, Tante, Tanten, f
        doctor, doctors, Arzt, Ärzte, m
        student, students, Student, Studenten, m, Studenten
    """, Noun),
    "things": _table("""
        book, books, Buch, Bücher, n
        table, tables, Tisch, Tische, m
        lamp, lamps, Lampe, Lampen, f
        chair, chairs, Stuhl, Stühle, m
        letter, letters, Brief, Briefe, m
        picture, pictures, Bild, Bilder, n
        bag, bags, Tasche, Taschen, f
        apple, apples, Apfel, Äpfel, m
        key, keys, Schlüssel, Schlüssel, m
        flower, flowers, Blume, Blumen, f
        coat, coats, Mantel, Mäntel, m
        radio, radios, Radio, Radios, n
        knife, knives, Messer, Messer, n
        clock, clocks, Uhr, Uhren, f
    """, Noun),
}  # fmt: skip
VERBS: dict[str, list[Verb]] = {
    "things": _table("""
        buy, buys, bought, kauft, kaufen, gekauft
        find, finds, found, findet, finden, gefunden
        carry, carries, carried, trägt, tragen, getragen
        clean, cleans, cleaned, putzt, putzen, geputzt
        draw, draws, drawn, zeichnet, zeichnen, gezeichnet
        sell, sells, sold, verkauft, verkaufen, verkauft
        need, needs, needed, braucht, brauchen, gebraucht
        pick up, picks up, picked up, hebt, heben, aufgehoben, auf
        put away, puts away, put away, räumt, räumen, weggeräumt, weg
    """, Verb),
    "beings": _table("""
        see, sees, seen, sieht, sehen, gesehen
        hear, hears, heard, hört, hören, gehört
        know, knows, known, kennt, kennen, gekannt
        greet, greets, greeted, grüßt, grüßen, gegrüßt
        visit, visits, visited, besucht, besuchen, besucht
        ask, asks, asked, fragt, fragen, gefragt
        call, calls, called, ruft, rufen, angerufen, an
        invite, invites, invited, lädt, laden, eingeladen, ein
        pick up, picks up, picked up, holt, holen, abgeholt, ab
    """, Verb),
    "dative": _table("""
        help, helps, helped, hilft, helfen, geholfen
        thank, thanks, thanked, dankt, danken, gedankt
        answer, answers, answered, antwortet, antworten, geantwortet
        believe, believes, believed, glaubt, glauben, geglaubt
        listen to, listens to, listened to, hört, hören, zugehört, zu
    """, Verb),
    "both": _table("""
        give, gives, given, gibt, geben, gegeben
        show, shows, shown, zeigt, zeigen, gezeigt
        bring, brings, brought, bringt, bringen, gebracht
    """, Verb),
    "alone": _table("""
        laugh, laughs, laughed, lacht, lachen, gelacht
        sleep, sleeps, slept, schläft, schlafen, geschlafen
        work, works, worked, arbeitet, arbeiten, gearbeitet
        wait, waits, waited, wartet, warten, gewartet
        sing, sings, sung, singt, singen, gesungen
        cry, cries, cried, weint, weinen, geweint
    """, Verb),
}  # fmt: skip
MODALS = {
    "want": Modal(("wants to", "want to"), ("will", "wollen")),
    "can": Modal(("can", "can"), ("kann", "können")),
    "must": Modal(("must", "must"), ("muss", "müssen")),
}
ADJECTIVES = {
    "beings": [("old", "alt"), ("young", "jung"), ("small", "klein"), ("tall", "groß"),
               ("friendly", "freundlich")],
    "things": [("old", "alt"), ("new", "neu"), ("red", "rot"), ("heavy", "schwer"),
               ("beautiful", "schön"), ("cheap", "billig")],
}  # fmt: skip
TIMES = {
    "perfect": [("today", "heute"), ("this morning", "heute Morgen")],
    "other": [("today", "heute"), ("now", "jetzt"), ("in the evening", "am Abend"),
              ("on Monday", "am Montag"), ("every day", "jeden Tag")],
}  # fmt: skip
PLACES = [
    ("in the garden", "im Garten"), ("in the kitchen", "in der Küche"),
    ("in front of the house", "vor dem Haus"), ("behind the school", "hinter der Schule"),
    ("at the station", "am Bahnhof"), ("under the tree", "unter dem Baum"),
]  # fmt: skip

_CASES = [(gender, case) for gender in ("m", "f", "n", "plural") for case in ("nom", "acc", "dat")]


def _by_case(forms: str) -> dict[tuple[str, str], str]:
    """Return (gender, case) -> form, for forms in the order of `_CASES`; "-" is none."""
    return dict(zip(_CASES, forms.replace("-", "").split(" "), strict=True))


#: English article -> German ones. "a" has no plural.
ARTICLES = {
    "the": _by_case("der den dem die die der das das dem die die den"),
    "this": _by_case("dieser diesen diesem diese diese dieser dieses dieses diesem diese diese "
                     "diesen"),
    "a": _by_case("ein einen einem eine eine einer ein ein einem - - -"),
    "my": _by_case("mein meinen meinem meine meine meiner mein mein meinem meine meine meinen"),
}  # fmt: skip
#: Endings of adjectives: after der and dieser (False), after ein and mein (True).
ENDINGS = {
    False: _by_case("e en en e e en e e en en en en"),
    True: _by_case("er en en e e en es es en en en en"),
}
