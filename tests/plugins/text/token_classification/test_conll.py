"""Files of columns, as they come."""

import pytest
from toolkit_plugins.text.token_classification import conll

from toolkit.errors import DataError

CONLL03 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- -X- O

" NN O O
# NN O O
"""
GERMEVAL = "#\thttp://x [2009]\n1\tAnn\tB-PER\tO\n2\t7\tO\tO\n\n#\thttp://y\n1\tRom\tB-LOC\tO\n"
CONLLU = """# newdoc id = a
# text = vamonos Ann
1-2\tvamonos\t_\t_
1\tvamos\tVERB\tO
2\tnos\tPRON\tO
3\tAnn\tPROPN\tB-PER

# newdoc id = b
1\tRome\tPROPN\tB-LOC
"""
MULTICONER = "# id 61e8 domain=en\nann _ _ B-PER\n\n# id 61e9 domain=en\n#rome _ _ B-LOC\n"


UNIVERSAL_NER = "# text = Ann in\n1\tAnn\tB-PER\t-\tblv\n2\tin\tO\t-\tblv\n"


def sentences(tmp_path, content, labelled=True, name="train.conll", tag_column=None):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return conll.read(path, "utf-8", labelled, tag_column)


def words(found):
    return [list(zip(one.tokens, one.tags, strict=True)) for one in found[0]]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CONLL03, [[("EU", "B-ORG"), ("rejects", "O")], [("Peter", "B-PER"),
                   ("Blackburn", "I-PER")], [('"', "O"), ("#", "O")]]),
        (MULTICONER, [[("ann", "B-PER")], [("#rome", "B-LOC")]]),
        (CONLLU, [[("vamos", "O"), ("nos", "O"), ("Ann", "B-PER")], [("Rome", "B-LOC")]]),
        (GERMEVAL, [[("Ann", "O"), ("7", "O")], [("Rom", "O")]]),
        (UNIVERSAL_NER, [[("Ann", "B-PER"), ("in", "O")]]),
        ("Ann B-NP PER\nLi I-NP PER\nin B-PP O\n", [[("Ann", "PER"), ("Li", "PER"), ("in", "O")]]),
        ("a\tO\n \t \nb\tO\n\xa0\n\nc\tO", [[("a", "O")], [("b", "O")], [("c", "O")]]),
        ("\ufeffa O\r\n\r\nb O\r\n", [[("a", "O")], [("b", "O")]]),
        ("New York\tB-LOC\na\xa0b\u2028c\x85d\tO\n",
         [[("New York", "B-LOC"), ("a\xa0b\u2028c\x85d", "O")]]),
        ("a\xa0b O\n\u2028x  B-X \n", [[("a\xa0b", "O"), ("\u2028x", "B-X")]]),
        ("a O\n#b B-X\n", [[("a", "O"), ("#b", "B-X")]]),  # a word, though no other has its tag
        ("'' O\n\"\" O\n\" O\n", [[("''", "O"), ('""', "O"), ('"', "O")]]),
        ("\tO\nb\tO\n", [[("", "O"), ("b", "O")]]),
        ("7 O\n8 O\n", [[("7", "O"), ("8", "O")]]),  # no numbers of words: two columns
    ],
)  # fmt: skip
def test_words_and_tags_are_read(tmp_path, content, found):
    assert words(sentences(tmp_path, content)) == found


@pytest.mark.parametrize(
    ("content", "documents"),
    [(CONLL03, [1, 1, 2]), (CONLLU, [1, 2]), ("a O\n\nb O\n", [0, 0])],
)
def test_documents_are_counted(tmp_path, content, documents):
    assert [one.document for one in sentences(tmp_path, content)[0]] == documents


def test_how_a_file_was_read_is_told(tmp_path):
    assert sentences(tmp_path, CONLL03)[1] == (
        "train.conll: 4 columns between spaces, the word in column 1, the tag in column 4"
    )
    assert "between tabs, the word in column 2" in sentences(tmp_path, GERMEVAL)[1]


def test_a_column_of_tags_is_chosen_by_its_number(tmp_path):
    found = sentences(tmp_path, GERMEVAL, tag_column=3)
    assert words(found) == [[("Ann", "B-PER"), ("7", "O")], [("Rom", "B-LOC")]]
    assert "the tag in column 3" in found[1]
    with pytest.raises(DataError, match="have 4 columns: there is no column 5"):
        sentences(tmp_path, GERMEVAL, tag_column=5)
    assert sentences(tmp_path, GERMEVAL, labelled=False, tag_column=5)[0][1].tokens == ["Rom"]


def test_words_alone_are_enough_to_predict(tmp_path):
    found, _ = sentences(tmp_path, "Ann\nlives\n\n#here\n", labelled=False)
    assert [one.tokens for one in found] == [["Ann", "lives"], ["#here"]]
    with pytest.raises(DataError, match=r"conll:1: has one column: .* as in 'Ann O'"):
        sentences(tmp_path, "Ann\nlives\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"caf\xe9 O\n", "conll:1: is not utf-8 text"),
        ("\n\n", "has no words"),
        ("a O\nb\nc O\nNew York O\n", "conll:2: has 1 column.*: 'b'\n.*conll:4: has 3 column"),
        ("a\tO\nb\t\nc\tO\n", "conll:2: has no tag"),
        ("a O\n" * 20 + "b\n" * 9, "and 4 more such lines"),
    ],
)
def test_lines_that_do_not_fit_are_named_at_once(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        sentences(tmp_path, content)
