# ruff: noqa: RUF001 - marks of other scripts are what is tested
"""The rule that finds sentences, by script, by kind of text, and by what looks like an end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toolkit_plugins.text.summarization.reading import whole
from toolkit_plugins.text.summarization.sentences import PART, split

#: What a text is an example of -> its sentences, joined by single spaces or as `TEXTS` has it.
SENTENCES = {
    "plain": ["One thing.", "Another thing!", "A third?"],
    "titles": ["Dr. Meyer met Prof. Lang.", "They spoke."],
    "abbreviations": ["We use e.g. trees.", "Ma et al. show it (see Fig. 3).", "It works."],
    "etc. at an end": ["Pens, ink, etc. are sold.", "Paper, glue, etc.", "The shop is open."],
    "initials": ["J. R. Hall wrote it.", "So did I.", "Nobody read it."],
    "acronyms": ["In the U.S. Senate it fell.", "They left the U.S.", "The law holds."],
    "decimals": ["It costs 3.50 euros, or 1.2 million.", "Version 2.0.1 is out."],
    "hosts": ["See example.org/a.html for more.", "Mail it to a.b@example.org."],
    "quotes": ['"Really?" he asked.', '"It is late."', "She left.", "(All did.)", "Good."],
    "ellipsis": ["Well...", "Perhaps not.", "So... it may be."],
    "marks together": ["What?!", "No!!", "Yes."],
    "lists": ["1. Press the button.", "2. Wait.", "3. Leave."],
    "german": ["Das gilt z.B. hier, bzw. dort.", "Über Nr. 5 wird geredet."],
    "arabic": ["هل وصل القطار؟", "نعم، وصل.", "حسنا"],
    "urdu": ["یہ ایک جملہ ہے۔", "یہ دوسرا ہے۔"],
    "hindi": ["यह एक वाक्य है।", "यह दूसरा है।"],
    "no end": ["no mark at all"],
    "one letter": ["a"],
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_sentences_are_found(kind):
    wanted = SENTENCES[kind]
    for between in (" ", "  ", "\n", "\r\n\r\n"):
        text = between.join(wanted)
        found = [text[start:end] for start, end in split(text)]
        assert found == wanted, (kind, between)


TEXTS = {
    "今日は晴れ。明日は雨！「はい。」と言った。": [
        "今日は晴れ。", "明日は雨！", "「はい。」と言った。"],
    "他走了。“为什么？”她问。没人回答。": ["他走了。", "“为什么？”", "她问。", "没人回答。"],
    "lines that\nare wrapped go on.\nThe next": ["lines that\nare wrapped go on.", "The next"],
    "A heading\n\nIts text. More": ["A heading", "Its text.", "More"],
    "Ann: Hi. Are you in?\nBob Lee: Yes. Come!\n\nAnn: Bye": [
        "Ann: Hi. Are you in?", "Bob Lee: Yes. Come!", "Ann: Bye"],
    "#Person1#: Hello.\n#Person2#: Hello. You?": ["#Person1#: Hello.", "#Person2#: Hello. You?"],
    "Note: one line. Two.": ["Note: one line.", "Two."],
    "": [], " \n\t ": [], "...": ["..."],
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_other_forms(text):
    assert [text[start:end] for start, end in split(text)] == TEXTS[text]


def test_the_parts_of_a_list_are_its_sentences():
    text = whole(["One. Two.", None, "", "and a\nthird"], "document")
    assert text == PART.join(["One. Two.", "and a third"])
    assert [text[start:end] for start, end in split(text)] == ["One. Two.", "and a third"]
    turns = [{"speaker": "Ann", "text": "Hi. You?"}, {"speaker": None, "text": "Fine."}]
    text = whole(turns, "document")
    assert [text[start:end] for start, end in split(text)] == ["Ann: Hi. You?", "Fine."]
    assert whole({"speaker": ["Ann", "Bo"], "text": ["Hi", "Yes"]}, "d") == f"Ann: Hi{PART}Bo: Yes"


@given(st.text(alphabet="aB1 .?!\n:\"')。\u061f\x1e", max_size=60))
def test_every_character_is_in_one_sentence(text):
    spans = split(text)
    assert all(text[a:b] == text[a:b].strip() != "" for a, b in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))
    inside = "".join(text[a:b] for a, b in spans)
    assert "".join(inside.split()) == "".join(text.split())
