"""Codes of languages as columns, files and translation memories have them: en, en-US, en_US."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from toolkit.errors import DataError, Fault
from toolkit.evaluation.metrics.generation import UNSPACED
from toolkit.utils.text import listing, nearest

#: ISO 639-1.
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr
    ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv
    kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no
    nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn
    so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo
    wa wo xh yi yo za zh zu"""
CODES = frozenset(_CODES.split())
WRITTEN = re.compile(r"([a-z]{2})([-_][a-z0-9]+)*")
#: Codes that name other columns as often: the number of a row, and whether something is so.
OTHERWISE = ("id", "no", "is")
#: Of BLEU, for languages with spaces between words; and of others, by their codes of two and of
#: three letters.
USUAL_TOKENIZER = "13a"
TOKENIZERS = {
    **dict.fromkeys(("zh", "zho", "yue"), "zh"), **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    **dict.fromkeys(("th", "tha", "lo", "lao", "km", "khm", "my", "mya", "bo", "bod"), "char"),
}  # fmt: skip
KANA = re.compile("[\u3040-\u30ff]")
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
Pair = tuple[str, str]
Wanted = tuple[str | None, str | None]


def is_code(text: str) -> bool:
    """Return whether a text is a code such as en, en-US or zh_Hant."""
    found = WRITTEN.fullmatch(text.lower())
    return found is not None and found.group(1) in CODES


def fits(code: str, wanted: str) -> bool:
    """Return whether a code is the wanted one, or one of them the other without its region."""
    one, other = (text.lower().replace("_", "-") for text in (code, wanted))
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")


def find(codes: Iterable[str], wanted: str) -> str | None:
    """Return which of some codes is the wanted language, an equal one first."""
    there = list(codes)
    same = (code for code in there if code.lower() == wanted.lower())
    return next(same, None) or next((code for code in there if fits(code, wanted)), None)


def chosen(
    codes: Sequence[str], wanted: Wanted, where: str, alone: bool = False, ordered: bool = True
) -> Pair:
    """Return the codes of source and target among those that are there.

    Args:
        codes: those that are there. wanted: those of source and target, where they are known.
        where: what has them, for messages.
        alone: whether the target need not be there; it is "" then.
        ordered: whether the first of two is the source by their order. That of the alphabet may be
            a program's.

    Raises:
        DataError: a wanted one is missing, or which are meant is not known.
    """
    names = dict(zip(("source_lang", "target_lang"), wanted, strict=True))
    found = {option: find(codes, code) for option, code in names.items() if code}
    faults = [
        Fault(f"options.{option}", f"{where} has no language {names[option]!r}."
              f"{nearest(str(names[option]), codes)} Languages: {listing(codes)}")
        for option, code in found.items()
        if code is None and not (alone and option == "target_lang")
    ]  # fmt: skip
    if faults:
        raise DataError(faults)
    source, target = found.get("source_lang"), found.get("target_lang")
    rest = [code for code in codes if code not in (source, target)]
    if not source and (len(rest) == 1 or (ordered and not target and len(rest) == 2)):
        source, rest = rest[0], rest[1:]
    if source and not target and len(rest) == 1:
        target = rest[0]
    if source and (target or alone):
        return source, target or ""
    more = ", and options.target_lang which the target" * (len(codes) > 2)
    what = f"must say which language is the source{more}: {where} has {listing(codes) or 'none'}"
    raise DataError(Fault("options.source_lang", what))


def in_order(codes: Sequence[str]) -> bool:
    """Return whether the order of codes says something: it is not that of the alphabet."""
    return list(codes) != sorted(codes)


def tokenizer(code: str, texts: Sequence[str]) -> str:
    """Return how BLEU should split words of a language, or of some texts where it is not known."""
    if code:
        return TOKENIZERS.get(re.split("[-_]", code.lower())[0], USUAL_TOKENIZER)
    whole = "".join(texts)
    if 2 * len(UNSPACED_LETTER.findall(whole)) < len(whole) or not whole:
        return USUAL_TOKENIZER
    if KANA.search(whole):
        return "ja-mecab"
    return "zh" if re.search("[\u4e00-\u9fff]", whole) else "char"
