"""Parallel text files (train.en and train.de, a line each) and TMX files, as pairs of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.data.text_files import check_encoding, opened
from toolkit.errors import DataError, Fault
from toolkit.utils import language_codes
from toolkit.utils.text import listing
from toolkit_plugins.text.translation import languages, tmx
from toolkit_plugins.text.translation.languages import Pair, Wanted

SIDES = ("source", "src", "target", "trg", "tgt")  # as Moses and fairseq name the files
#: Suffixes of files that are read here.
FILE_FORMATS = (".tmx", *(f".{code}" for code in (*sorted(language_codes.CODES), *SIDES)))


@dataclass
class Pairs:
    """Texts of both sides, several in a list where a unit has several targets; of new rows none.

    dropped: reason -> units left out.
    pair: the languages; empty where files are named by their sides.
    """

    sources: list[str] = field(default_factory=list)
    targets: list[list[str]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    pair: Pair = ("", "")


def read(paths: Sequence[Path], wanted: Wanted, encoding: str, alone: bool) -> Pairs:
    """Return the pairs of some files, all TMX or all plain texts.

    Args:
        wanted: the codes of source and target, where they are known.
        alone: whether a source without target will do.

    Raises:
        DataError: a file that cannot be read, files that make no pairs, or differ in lines.
    """
    memories = [path for path in paths if _suffix(path) == "tmx"]
    if memories and len(memories) < len(paths):
        names = listing(path.name for path in paths)
        raise DataError(Fault(str(paths[0].parent), f"{names}: either TMX or plain texts are read"))
    return (
        _memories(memories, wanted, alone) if memories else _texts(paths, wanted, encoding, alone)
    )


def _memories(paths: Sequence[Path], wanted: Wanted, alone: bool) -> Pairs:
    units = [unit for path in paths for unit in tmx.units(path)]
    codes = Counter(code for unit in units for code, _ in unit.variants)
    where = listing(path.name for path in paths)
    if not codes:
        raise DataError(Fault(str(paths[0]), "holds no units with a text"))
    declared = wanted[0] or languages.find(codes, units[0].source or "*all*")
    merged = _merged(codes)
    pair = languages.chosen(merged, (declared, wanted[1]), where, alone, languages.in_order(merged))
    found = Pairs(pair=pair)
    source, target = (want or code for want, code in zip(wanted, pair, strict=True))
    for unit in units:
        own, others = _of(unit, source), _of(unit, target) if target else []
        if not own or not (others or alone):
            found.dropped[f"unit without {target if own else source}"] += 1
            continue
        found.sources.append(own[0])
        found.targets.append(others)
    return found


def _merged(codes: Mapping[str, int]) -> list[str]:
    """Return codes, of variants (en-US, en-GB) the plain language, the order kept."""
    plain = Counter(code.lower().replace("_", "-").split("-")[0] for code in codes)
    short = (code.lower().replace("_", "-").split("-")[0] for code in codes)
    return list(dict.fromkeys(
        base if plain[base] > 1 else code for code, base in zip(codes, short, strict=True)
    ))  # fmt: skip


def _of(unit: tmx.Unit, wanted: str) -> list[str]:
    return [text for code, text in unit.variants if language_codes.fits(code, wanted) and text]


def _texts(paths: Sequence[Path], wanted: Wanted, encoding: str, alone: bool) -> Pairs:
    codes = list(dict.fromkeys(_suffix(path) for path in paths))
    where = listing(path.name for path in paths)
    if len(codes) == 1 and not alone:
        what = f"{where}: the texts of one language. Name the file of the other, too: "
        advice = "the folder of both, or data.source: [FILE, FILE]"
        raise DataError(Fault(str(paths[0]), what + advice))
    if set(codes) <= set(SIDES):
        codes.sort(key=SIDES.index)
        pair = codes[0], codes[1] if len(codes) > 1 else ""
    else:
        pair = languages.chosen(codes, wanted, where, alone, languages.in_order(codes))
    found = Pairs(pair=("", "") if pair[0] in SIDES else pair)
    for source, target in _matched(paths, pair, where, alone):
        lines = read_lines(source, encoding)
        others = read_lines(target, encoding) if target else []
        if target and len(lines) != len(others):
            what = f"has {len(lines):,} lines, {target.name} {len(others):,}: line n of one "
            raise DataError(Fault(str(source), what + "is the translation of line n of the other"))
        found.sources += lines
        found.targets += [[text] for text in others]
    return found


def _matched(
    paths: Iterable[Path], pair: Pair, where: str, alone: bool
) -> list[tuple[Path, Path | None]]:
    """Return which file is the translation of which: of two the one, of more that of its stem."""
    source, target = ([path for path in paths if _suffix(path) == side] for side in pair)
    if len(source) == len(target) == 1:
        return [(source[0], target[0])]
    stems = {_stem(path): path for path in target}
    found = [(path, stems.pop(_stem(path), None)) for path in source]
    lacking = [*(path for path, other in found if other is None and not alone), *stems.values()]
    if lacking:
        what = f"{where}: no partner of {listing(path.name for path in lacking)}"
        raise DataError(Fault(str(lacking[0].parent), f"{what} with the same name"))
    return found


def read_lines(path: Path, encoding: str) -> list[str]:
    """Return the lines of a text file. Only a line feed ends one, with a carriage return or not.

    Other characters that Python's `splitlines` takes for ends (U+0085, U+2028) are in texts.

    Raises:
        DataError: it is empty, or not in this encoding (with the line).
    """
    check_encoding(path, encoding)
    with opened(path) as file:
        text = file.read().decode(encoding).removeprefix("\ufeff")
    found = [line.removesuffix("\r") for line in text.split("\n")]
    found = found[:-1] if found[-1] == "" else found
    if not found:
        raise DataError(Fault(str(path), "is empty"))
    return found


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix[1:]


def _stem(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).stem
