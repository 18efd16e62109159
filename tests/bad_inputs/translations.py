"""Pairs of texts that cannot be used: parallel files, translation memories, languages."""

from __future__ import annotations

from bad_inputs.case import Case, Content, jsonl

# The files are read before the model, which need be none that translates.
COMMAND = ("check", "translation", "--no-estimate", "--model", "{model}")
TEN = "".join(f"text {n}\n" for n in range(10))


def pairs(name: str, files: dict[str, Content], place: str, *says: str, data: str = "corpus",
          sets: tuple[str, ...] = ("options.source_lang=en",)) -> Case:  # fmt: skip
    """Return a case of some files and settings."""
    words = [*COMMAND, "--data", data, *(part for text in sets for part in ("--set", text))]
    return Case(name, words, place, says, files)


def memory(name: str, text: str, place: str, *says: str) -> Case:
    """Return a case of a translation memory."""
    return pairs(name, {"a.tmx": text}, place, *says, data="a.tmx", sets=())


def objects(name: str, translation: dict[str, str], place: str, *says: str,
            sets: tuple[str, ...] = ()) -> Case:  # fmt: skip
    """Return a case of objects of languages."""
    rows = [{"translation": {code: f"{text} {n}" for code, text in translation.items()}}
            for n in range(20)]  # fmt: skip
    return pairs(name, {"a.jsonl": jsonl(rows)}, place, *says, data="a.jsonl", sets=sets)


CASES = [
    pairs("unequal lines", {"corpus/train.en": TEN, "corpus/train.de": TEN + "more\n"},
          "train.en", "has 10 lines, train.de 11"),
    pairs("one side", {"corpus/train.en": TEN}, "train.en", "the texts of one language"),
    pairs("no partner", {"corpus/train.1.en": TEN, "corpus/train.1.de": TEN,
                         "corpus/train.2.en": TEN}, "corpus", "no partner of train.2.en"),
    pairs("another encoding", {"corpus/train.en": TEN, "corpus/train.de": b"\xe4\n" * 10},
          "train.de:1", "is not utf-8 text", "data.encoding=cp1252"),
    pairs("an empty file", {"corpus/train.en": TEN, "corpus/train.de": ""}, "train.de", "is empty"),
    pairs("files in alphabetical order", {"corpus/train.en": TEN, "corpus/train.de": TEN},
          "options.source_lang", "train.de, train.en has",
          "must say which language is the source", sets=()),
    pairs("memory and texts", {"corpus/train.en": TEN, "corpus/train.tmx": "<tmx/>"},
          "corpus", "either TMX or plain texts"),
    memory("torn xml", "<tmx><body><tu></body></tmx>", "a.tmx:1", "is no XML: mismatched tag"),
    memory("another root", "<html/>", "a.tmx", "is no TMX: its root is <html>"),
    memory("no units", "<tmx><body/></tmx>", "a.tmx", "holds no units"),
    memory("a bomb", '<!DOCTYPE tmx [<!ENTITY a "aa">\n<!ENTITY b "&a;&a;">]><tmx>&b;</tmx>',
           "a.tmx:1", "declares the entity 'a'"),
    objects("three languages", {"en": "a", "de": "b", "fr": "c"}, "options.source_lang",
            "'translation' has en, de, fr", "options.target_lang"),
    objects("a language that is not there", {"en": "a", "de": "b"}, "options.target_lang",
            "no language 'fr'", "en, de", sets=("options.target_lang=fr",)),
    objects("alphabetical keys", {"de": "b", "en": "a"}, "options.source_lang",
            "must say which language is the source"),
    pairs("no tokenizer of that name", {"corpus/train.en": TEN, "corpus/train.de": TEN},
          "options.tokenize", "13a", sets=("options.tokenize=14a",)),
]  # fmt: skip
