"""Codes of languages as data and models have them: en, en-US, en_XX, eng, eng_Latn."""

from __future__ import annotations

import re

#: ISO 639-1 and 639-3.
_CODES = """
    aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak
    be:bel bg:bul bh:bih bi:bis bm:bam bn:ben bo:bod br:bre bs:bos ca:cat ce:che ch:cha co:cos
    cr:cre cs:ces cu:chu cv:chv cy:cym da:dan de:deu dv:div dz:dzo ee:ewe el:ell en:eng eo:epo
    es:spa et:est eu:eus fa:fas ff:ful fi:fin fj:fij fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg
    gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye hz:her ia:ina
    id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kg:kon
    ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom kw:cor ky:kir
    la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah mi:mri mk:mkd
    ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya na:nau nb:nob nd:nde ne:nep ng:ndo nl:nld nn:nno
    no:nor nr:nbl nv:nav ny:nya oc:oci oj:oji om:orm or:ori os:oss pa:pan pi:pli pl:pol ps:pus
    pt:por qu:que rm:roh rn:run ro:ron ru:rus rw:kin sa:san sc:srd sd:snd se:sme sg:sag si:sin
    sk:slk sl:slv sm:smo sn:sna so:som sq:sqi sr:srp ss:ssw st:sot su:sun sv:swe sw:swa ta:tam
    te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton tr:tur ts:tso tt:tat tw:twi ty:tah
    ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol xh:xho yi:yid yo:yor za:zha
    zh:zho zu:zul"""
#: The standard kinds of languages whose code of two letters covers several, as models name them.
_STANDARD = """
    ar:arb ay:ayr az:azj et:ekk fa:pes ff:fuv ku:kmr lv:lvs mg:plt mn:khk ms:zsm ne:npi om:gaz
    or:ory ps:pbt qu:quy sq:als sw:swh uz:uzn yi:ydd zh:cmn"""
#: Code of three letters -> of two.
SHORT = {long: short for short, _, long in
         (entry.partition(":") for entry in f"{_CODES} {_STANDARD}".split())}  # fmt: skip
CODES = frozenset(SHORT.values())
WRITTEN = re.compile(r"[a-z]{2,3}([-_][a-z0-9]+)*")


def language(code: str) -> str:
    """Return the language of a code, by two letters where it has such: "en" of eng_Latn, en-US."""
    first = re.split("[-_]", code.lower())[0]
    return SHORT.get(first, first)


def is_code(text: str) -> bool:
    """Return whether a text is a code such as en, en-US, zh_Hant or deu_Latn."""
    return WRITTEN.fullmatch(text.lower()) is not None and language(text) in CODES


def fits(code: str, wanted: str) -> bool:
    """Return whether two codes have the same language, and no other script or region."""
    one, other = _parts(code), _parts(wanted)
    return all(one[part] == other[part] for part in one.keys() & other.keys())


def _parts(code: str) -> dict[str, str]:
    found = {"language": language(code)}
    for part in re.split("[-_]", code.lower())[1:]:
        if part != "xx":  # mBART's en_XX
            found.setdefault("script" if len(part) == 4 and part.isalpha() else "region", part)
    return found
