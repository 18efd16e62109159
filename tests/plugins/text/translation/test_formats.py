"""What tables, objects, parallel files and translation memories become, and what is odd in them."""

import gzip

import datasets
import pytest
from toolkit_plugins.text.translation import formats, languages, parallel
from toolkit_plugins.text.translation.formats import COLUMNS, reshaped

from toolkit.data import sources
from toolkit.errors import DataError
from toolkit.plugin import get


def _rows(**columns):
    return datasets.Dataset.from_dict(columns)


def _files(*paths):
    return _rows(path=[str(path) for path in paths])


def _pairs(made):
    return list(zip(made.rows["source"], made.rows["target"], strict=True))


def _memory(folder, units, header='srclang="en"', encoding="utf-8", start=""):
    declared = {"utf-8": "utf-8", "utf-16": "UTF-16", "cp1252": "windows-1252"}[encoding]
    text = (
        f'<?xml version="1.0" encoding="{declared}"?>{start}\n'
        f'<tmx version="1.4"><header {header}/><body>{units}</body></tmx>'
    )
    path = folder / "memory.tmx"
    path.write_bytes(text.encode(encoding))
    return path


def _unit(*variants):
    inside = "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in variants)
    return f"<tu>{inside}</tu>"


# Tables and objects.


@pytest.mark.parametrize(
    ("columns", "wanted", "first"),
    [
        ({"source": ["a"], "target": ["b"]}, (None, None), ("a", "b")),
        ({"src": ["a"], "tgt": ["b"], "domain": ["x"]}, (None, None), ("a", "b")),
        ({"en": ["a"], "de": ["b"]}, (None, None), ("a", "b")),
        ({"id": [1], "de": ["a"], "en": ["b"]}, (None, None), ("a", "b")),
        ({"en": ["a"], "de": ["b"]}, ("de", None), ("b", "a")),
        ({"en-US": ["a"], "de_DE": ["b"]}, ("de", None), ("b", "a")),
        ({"de": ["b"], "en": ["a"]}, ("eng_Latn", "deu_Latn"), ("a", "b")),
        ({"de": ["b"], "en-US": ["a"]}, ("eng_Latn", None), ("a", "b")),
        ({"de": ["b"], "en": ["a"]}, (None, "deu"), ("a", "b")),
        ({"zh-CN": ["b"], "en": ["a"], "cat": ["c"]}, ("en_XX", "cmn_Hans"), ("a", "b")),
        ({"eng": ["a"], "deu": ["b"]}, (None, None), ("a", "b")),
        ({"translation": [{"en": "a", "de": "b"}]}, (None, None), ("a", "b")),
        ({"translation": [{"de": "b", "en": "a"}]}, ("eng_Latn", "deu_Latn"), ("a", "b")),
        ({"translation": [{"de": "b", "en": "a"}]}, ("en", None), ("a", "b")),
        ({"translation": [{"en": "a", "de": "b", "fr": "c"}]}, ("fr", "en"), ("c", "a")),
        ({"source": ["a"], "target": [["b", "c"]]}, (None, None), ("a", ["b", "c"])),
    ],
)  # fmt: skip
def test_tables_and_objects_are_recognised(columns, wanted, first):
    made, _ = reshaped(_rows(**columns), "train", COLUMNS, wanted)
    assert _pairs(made) == [first]
    again, _ = reshaped(made.rows, "train", COLUMNS, wanted)
    assert _pairs(again) == [first]
    assert set(made.rows.column_names) - {"source", "target"} <= {"id", "domain", "cat"}


@pytest.mark.parametrize("asked", [("eng_Latn", "deu_Latn"), ("eng", "deu"), ("en_XX", "de_DE")])
def test_models_codes_choose_the_source_of_a_table(asked):
    plugin = get("translation")()
    names = dict(zip(("source_lang", "target_lang"), asked, strict=True))
    plugin.options = type(plugin).Options.model_validate(names)
    made = plugin.reshape_rows(_rows(de=["b"], en=["a"]), "train")
    assert _pairs(made) == [("a", "b")]
    assert plugin.language_codes() == asked  # as the tokenizer calls them


def test_languages_that_nobody_named_are_reported_and_handed_on():
    made, pair = reshaped(_rows(en=["a"], de=["b"]), "train", COLUMNS)
    assert pair == ("en", "de")
    assert "from 'en' to 'de'" in made.notes[0]
    alone, _ = reshaped(_rows(de=["b"], en=["a"]), "predict", COLUMNS, pair)
    assert alone.rows["source"] == ["a"]
    only, _ = reshaped(_rows(en=["a"]), "predict", COLUMNS, pair)
    assert only.rows["source"] == ["a"]


def test_named_columns_are_kept_even_where_languages_are_there():
    rows = _rows(en=["a"], de=["b"])
    made, pair = reshaped(rows, "train", ("message", "answer"))
    assert (made.rows.column_names, pair) == (["en", "de"], None)
    assert reshaped(rows, "train", ("en", "de"))[1] == ("en", "de")  # which their names tell
    rows = _rows(translation=[{"en": "a", "de": "b", "fr": "c"}])
    made, pair = reshaped(rows, "train", ("translation.fr", "translation.en"))
    assert pair == ("fr", "en")
    assert made.rows["translation.fr"] == ["c"]


@pytest.mark.parametrize(
    ("columns", "wanted", "says"),
    [
        ({"translation": [{"en": "a", "de": "b", "fr": "c"}]}, (None, None),
         "source, and options.target_lang which the target: .*has en, de, fr"),
        ({"translation": [{"en": "a", "de": "b", "fr": "c"}]}, ("fr", None), "must say which"),
        ({"translation": [{"en": "a", "de": "b"}]}, ("fr", None), "no language 'fr'.*en, de"),
        ({"translation": [{"de": "b", "en": "a"}]}, (None, None), "has de, en"),
        ({"de": ["b"], "en": ["a"]}, ("ace_Latn", None), "no language 'ace_Latn'.*de, en"),
    ],
)  # fmt: skip
def test_which_languages_are_meant_must_be_known(columns, wanted, says):
    with pytest.raises(DataError, match=says) as caught:
        reshaped(_rows(**columns), "train", COLUMNS, wanted)
    assert "options." in str(caught.value)


# Parallel text files.


def test_parallel_files_are_pairs_line_by_line(tmp_path):
    (tmp_path / "train.en").write_bytes(
        "\ufeffone\r\ntab\there\r\nx\u2028y\x85z\r\n\r\nlast".encode()
    )
    (tmp_path / "train.de.gz").write_bytes(gzip.compress("eins\nTab\ndrei\nleer\nنعم\n".encode()))
    paths = tmp_path / "train.de.gz", tmp_path / "train.en"
    made, pair = reshaped(_files(*paths), "train", COLUMNS, ("eng_Latn", None))
    assert pair == ("en", "de")
    assert _pairs(made) == [
        ("one", "eins"), ("tab\there", "Tab"), ("x\u2028y\x85z", "drei"), ("", "leer"),
        ("last", "نعم"),
    ]  # fmt: skip


def test_a_folder_of_parallel_files_is_read_by_split(tmp_path):
    for name in ("train.en", "train.de.gz", "test.en", "test.de", "README.md"):
        (tmp_path / name).write_text("x\n")
    files, _ = sources.find_sources(str(tmp_path), parallel.FILE_FORMATS)
    assert {split: [path.name for path in paths] for split, paths in files.items()} == {
        "train": ["train.de.gz", "train.en"], "test": ["test.de", "test.en"],
    }  # fmt: skip


def test_several_parallel_files_are_matched_by_name(tmp_path):
    for name, text in {"b.src": "2", "a.tgt": "eins", "a.src": "1", "b.tgt": "zwei"}.items():
        (tmp_path / name).write_text(f"{text}\n")
    made, pair = reshaped(_files(*sorted(tmp_path.iterdir())), "train", COLUMNS)
    assert _pairs(made) == [("1", "eins"), ("2", "zwei")]
    assert pair is None  # sides are no languages


@pytest.mark.parametrize(
    ("files", "wanted", "says"),
    [
        ({"a.en": "1\n2\n", "a.de": "1\n2\n3\n"}, ("en", None), "has 2 lines, a.de 3"),
        ({"a.en": "1\n", "b.de": "1\n", "b.en": "1\n"}, ("en", None), "no partner of a.en"),
        ({"a.en": "1\n"}, ("en", None), "a.en: the texts of one language"),
        ({"a.de": "1\n", "a.en": "1\n"}, (None, None), "options.source_lang: must say"),
        ({"a.en": "1\n", "a.de": ""}, ("en", None), "a.de: is empty"),
        ({"a.en": "1\n", "a.de": b"\xe4\n"}, ("en", None), "a.de:1: is not utf-8"),
        ({"a.en": "1\n", "a.tmx": "<tmx/>"}, ("en", None), "either TMX or plain texts"),
    ],
)  # fmt: skip
def test_files_that_make_no_pairs_are_refused(tmp_path, files, wanted, says):
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(raw)
    paths = sorted(tmp_path.iterdir())
    with pytest.raises(DataError) as caught:
        reshaped(_files(*paths), "train", COLUMNS, wanted)
    assert says in str(caught.value).replace(f"{tmp_path}/", "")


def test_a_file_of_sources_alone_is_predicted(tmp_path):
    (tmp_path / "new.en").write_text("one\ntwo\n")
    made, _ = reshaped(_files(tmp_path / "new.en"), "predict", COLUMNS, ("en", "de"))
    assert made.rows.column_names == ["source"]
    assert made.rows["source"] == ["one", "two"]


# How BLEU splits words.


@pytest.mark.parametrize(
    ("code", "texts", "found"),
    [
        ("cmn_Hans", [], "zh"), ("zh-CN", [], "zh"), ("jpn_Jpan", [], "ja-mecab"),
        ("yue", [], "zh"), ("deu_Latn", ["ein Haus"], "13a"), ("", ["一只狗在跑。"], "zh"),
        ("tgt", ["犬が走る"], "ja-mecab"), ("tgt", ["a dog"], "13a"), ("", ["หมาวิ่ง"], "char"),
        ("", [], "13a"),
    ],
)  # fmt: skip
def test_bleu_splits_words_by_language_or_script(code, texts, found):
    assert languages.tokenizer(code, texts) == found


# Translation memories.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_memories_are_read_in_the_encoding_they_declare(tmp_path, encoding):
    units = _unit(("en-US", "the\n   café"), ("de", "das\u00a0Café")) + _unit(
        ("EN", "b"), ("DE", "c")
    )
    doctype = '<!DOCTYPE tmx SYSTEM "tmx14.dtd">'
    path = _memory(tmp_path, units, 'srclang="en"', encoding, doctype)
    made, pair = reshaped(_files(path), "train", COLUMNS)
    assert _pairs(made) == [("the café", "das\u00a0Café"), ("b", "c")]
    assert pair == ("en", "de")


def test_inline_codes_are_left_out_and_marked_text_is_kept(tmp_path):
    text = (
        'Click <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept>'
        '<ph>&lt;img alt="<sub>a note</sub>"&gt;</ph>, <hi>now</hi> &amp; here'
    )
    path = _memory(tmp_path, _unit(("en", text), ("de", "jetzt")))
    assert _pairs(reshaped(_files(path), "train", COLUMNS)[0]) == [
        ("Click OK, now & here", "jetzt")
    ]


def test_units_without_a_language_are_counted_and_variants_are_references(tmp_path):
    units = (
        _unit(("en-GB", "colour"), ("en-US", "color"), ("de", "Farbe"), ("de", "Färbung"))
        + _unit(("en", "only"))
        + _unit(("fr", "seul"), ("de", "nur"))
        + _unit(("en", "empty"), ("de", ""))
    )
    path = _memory(tmp_path, units)
    made, _ = reshaped(_files(path), "train", COLUMNS, (None, "de"))
    assert _pairs(made) == [("colour", ["Farbe", "Färbung"])]
    assert made.dropped == {"unit without de": 2, "unit without en": 1}
    us, _ = reshaped(_files(path), "train", COLUMNS, ("en-US", "de"))
    assert us.rows["source"] == ["color"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("<tmx><body><tu></body></tmx>", "memory.tmx:1: is no XML: mismatched tag"),
        ("<html></html>", "is no TMX: its root is <html>"),
        ("<tmx><body/></tmx>", "holds no units"),
        ('<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>\n<tmx>&b;</tmx>',
         "declares the entity 'a'"),
        ('<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>\n<tmx>&a;</tmx>',
         "declares the entity 'a'"),
    ],
)  # fmt: skip
def test_what_is_no_memory_is_refused(tmp_path, content, says):
    path = tmp_path / "memory.tmx"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        reshaped(_files(path), "train", COLUMNS)
    assert says in str(caught.value)


# Odd pairs: kept, and reported.


def _told(pairs, split="train"):
    made, _ = reshaped(
        _rows(**dict(zip(COLUMNS, zip(*pairs, strict=True), strict=True))), split, COLUMNS
    )
    assert len(made.rows) == len(pairs)
    return "\n".join(made.notes)


def test_pairs_that_are_no_translations_are_counted_with_their_rows():
    german = [f"der Hund {n} sieht die Katze und das Haus" for n in range(250)]
    english = [f"the dog {n} sees the cat and a house" for n in range(250)]
    pairs = list(zip(english, german, strict=True))
    assert _told(pairs) == ""
    pairs[4] = (german[4], german[4])
    pairs[7] = ("hi", german[7] + " " + german[8])
    pairs[9] = ("der Hund sieht das Haus", "the dog sees a house")
    told = _told(pairs)
    assert (
        "1 of 250 pairs have the same text on both sides, and teach a model to copy (row 5)" in told
    )
    assert "(row 8)" in told.split("9 times as long")[1]
    assert "(row 10)" in told.split("language of the targets")[1]


def test_tokenised_targets_are_reported():
    assert "tokenised" in _told([(f"text {n}.", f"ein Text {n} .") for n in range(20)])
    assert _told([(f"text {n}.", f"ein Text {n}.") for n in range(20)]) == ""


def test_an_empty_side_is_left_to_the_check_of_columns():
    assert _told([("", "b"), ("a", ""), ("a", "b")]) == ""


def test_other_columns_stay_for_slices():
    made, _ = reshaped(_rows(en=["a"], de=["b"], domain=["news"]), "test", COLUMNS)
    assert made.rows["domain"] == ["news"]


def test_the_usual_columns_are_the_options_own():
    assert formats.COLUMNS == ("source", "target")
