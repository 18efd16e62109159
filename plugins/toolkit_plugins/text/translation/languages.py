"""Which languages of a table, of files or of a translation memory are meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from toolkit.errors import DataError, Fault
from toolkit.evaluation.metrics.generation import UNSPACED
from toolkit.utils.language_codes import fits, language
from toolkit.utils.text import listing, nearest

#: Codes that name other columns as often: the number of a row, a category, a latitude.
OTHERWISE = ("id", "no", "is", "cat", "cor", "cos", "div", "ind", "lat", "mon", "run", "sun", "tel")
#: Of BLEU, for languages with spaces between words; and of others.
USUAL_TOKENIZER = "13a"
TOKENIZERS = {
    **dict.fromkeys(("zh", "yue", "wuu", "lzh", "nan", "hak", "gan"), "zh"),
    "ja": "ja-mecab", "ko": "ko-mecab", **dict.fromkeys(("th", "lo", "km", "my", "bo"), "char"),
}  # fmt: skip
KANA = re.compile("[\u3040-\u30ff]")
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
Pair = tuple[str, str]
Wanted = tuple[str | None, str | None]


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
    """Return how BLEU should split words of a language, or else by the script of some texts."""
    if known := TOKENIZERS.get(language(code)):
        return known
    whole = "".join(texts)
    if 2 * len(UNSPACED_LETTER.findall(whole)) < len(whole) or not whole:
        return USUAL_TOKENIZER
    if KANA.search(whole):
        return "ja-mecab"
    return "zh" if re.search("[\u4e00-\u9fff]", whole) else "char"
