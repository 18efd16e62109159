"""Languages of models that know several: the tokens that name them in sources and targets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from toolkit.errors import Fault, RecipeError
from toolkit.utils.language_codes import language
from toolkit.utils.text import listing, nearest

CODE = re.compile(r"[a-z]{2,3}_[A-Za-z]{2,4}")  # of mBART (en_XX) and NLLB (eng_Latn)
SHOWN = 12


def known(tokenizer: Any) -> dict[str, str]:
    """Return code -> token of the languages that a tokenizer has tokens for; empty without any.

    Marian's stand before the source (`>>deu<<`) and name the target alone.
    """
    marian = {token[2:-2]: token for token in getattr(tokenizer, "supported_language_codes", ())}
    if marian or not hasattr(tokenizer, "src_lang"):
        return marian
    m2m: dict[str, str] = getattr(tokenizer, "lang_code_to_token", {})
    return dict(m2m) or {t: t for t in tokenizer.all_special_tokens if CODE.fullmatch(t)}


def set_languages(tokenizer: Any, asked: Mapping[str, str | None], saved: bool) -> None:
    """Tell a tokenizer which languages it reads and writes, if it knows several.

    Args:
        asked: "source_lang" and "target_lang", as the options or the data call them.
        saved: whether the tokenizer comes from a run, which has told it.

    Raises:
        RecipeError: codes that it does not know (with the nearest), or none where it needs one.
    """
    codes, faults = known(tokenizer), []
    if not codes or not hasattr(tokenizer, "src_lang"):
        return
    for option, attribute in (("source_lang", "src_lang"), ("target_lang", "tgt_lang")):
        if asked[option] is None and saved:
            continue
        code = find(codes, asked[option])
        if code is None:
            faults.append(_fault(option, asked[option], codes))
        else:
            setattr(tokenizer, attribute, code)
    if faults:
        raise RecipeError(faults)


def mark(tokenizer: Any, target: str | None) -> str:
    """Return what stands before each source of a Marian model that writes several languages.

    Raises:
        RecipeError: the target's language is unknown, or not given.
    """
    if hasattr(tokenizer, "src_lang") or not (codes := known(tokenizer)):
        return ""
    if (code := find(codes, target)) is None:
        raise RecipeError(_fault("target_lang", target, codes))
    return f"{codes[code]} "


def decoding(tokenizer: Any) -> dict[str, int | None]:
    """Return the fields of a generation config that make a model write the target's language.

    They follow from where the tokenizer puts its token in targets: first (mBART-50, NLLB, M2M100),
    where it is forced; or last (mBART), where the decoder starts with it.
    """
    codes = known(tokenizer)
    if not codes or not hasattr(tokenizer, "src_lang"):
        return {}
    token = tokenizer.convert_tokens_to_ids(codes[tokenizer.tgt_lang])
    labels = tokenizer(text_target="a")["input_ids"]
    if labels[0] == token:
        return {"forced_bos_token_id": token}
    return {"decoder_start_token_id": token, "forced_bos_token_id": None}


def find(codes: Mapping[str, str], asked: str | None) -> str | None:
    """Return the code that is meant: the same, or the only one of its language (en: eng_Latn)."""
    if asked is None or asked in codes:
        return asked
    same = [code for code in codes if language(code) == language(asked)]
    return same[0] if len(same) == 1 else None


def _fault(option: str, asked: str | None, codes: Mapping[str, str]) -> Fault:
    what = f"the model knows {len(codes)} languages ({listing(codes, SHOWN)}): say which"
    if asked is not None:
        what = f"the model has no language {asked!r}.{nearest(asked, codes)} "
        what += f"It has {listing(codes, SHOWN)}."
    return Fault(f"options.{option}", what)
