"""Names of classes, and the numbers or colours that stand for them in masks.

From the option `classes`, or from a file beside the masks: classes.json, class_dict.csv (CamVid),
labelmap.txt (CVAT), label_colors.txt, codes.txt and the like.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from toolkit.errors import DataError, Fault, RecipeError

FILES = (
    "classes.json", "class_names.json", "labels.json", "id2label.json", "label_map.json",
    "class_dict.csv", "class_dict_seg.csv", "classes.csv", "label_colors.csv", "labels_colors.csv",
    "labelmap.txt", "label_colors.txt", "classes.txt", "class_names.txt", "labels.txt",
    "codes.txt", "names.txt",
)  # fmt: skip
#: Names for what is no class: a legend's, not those of the option.
NOTHING = ("void", "unlabeled", "unlabelled", "ignore", "ignored")
ABOVE = 2  # folders above that of the masks that may hold the file
MOST_BYTES = 1 << 20
#: What a class is in the option: a number, numbers, "1-65535", "#rrggbb", [r, g, b].
Meaning = int | str | list[int] | list[str]
Classes = list[str] | dict[str, Meaning]
WRITE = "write [r, g, b], '#rrggbb', a number, a list of numbers or '1-65535'"


@dataclass(frozen=True)
class Legend:
    """Names by the order of their numbers, or with what stands for them.

    numbers: name -> ranges of numbers (first, last); colours: name -> 0xrrggbb; without both the
    names are in the order of the numbers. ignored: numbers or colours of what is no class.
    order: all names, before some were taken out.
    """

    names: Sequence[str]
    numbers: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    colours: Mapping[str, int] = field(default_factory=dict)
    ignored: Sequence[int] = ()
    where: str = "options.classes"
    order: Sequence[str] = ()

    @property
    def is_ordered(self) -> bool:
        """Whether the names have no numbers and no colours of their own."""
        return not self.numbers and not self.colours

    @property
    def nothing(self) -> list[str]:
        """The names of what is no class ("void"), unless a person has named the classes."""
        low = {name: name.strip().lower().replace(" ", "_") for name in self.names}
        return [] if self.is_given else [name for name in self.names if low[name] in NOTHING]

    def without(self, gone: Sequence[str]) -> Legend:
        """Return the legend without some of its names; the numbers of the others stay."""
        if not gone:
            return self
        numbers = dict(self.numbers)
        if self.is_ordered:
            numbers = {name: [(place, place)] for place, name in enumerate(self.names)}
        rest = [name for name in self.names if name not in gone]
        return replace(self, names=rest, numbers={n: numbers[n] for n in rest if n in numbers},
                       order=self.order or self.names)  # fmt: skip

    @property
    def is_given(self) -> bool:
        """Whether a person has written it for this run."""
        return self.where == "options.classes"


def colour_of(value: Any) -> int | None:
    """Return 0xrrggbb for [r, g, b], "r,g,b" or "#rrggbb"; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        if match := re.fullmatch(r"#([0-9a-fA-F]{6})", text):
            return int(match[1], 16)
        value = re.split(r"[,\s]+", text)
    if not isinstance(value, Sequence) or len(value) not in (3, 4):
        return None
    try:
        parts = [int(part) for part in value[:3]]
    except (TypeError, ValueError):
        return None
    inside = all(0 <= part <= 255 for part in parts)
    return (parts[0] << 16) | (parts[1] << 8) | parts[2] if inside else None


def of_option(classes: Classes | None) -> Legend | None:
    """Return the option's legend.

    Raises:
        RecipeError: a class is written otherwise than numbers or colours, or both are mixed.
    """
    if classes is None:
        return None
    if isinstance(classes, Mapping):
        legend, wrong = _of_mapping(classes, "options.classes")
        faults = [Fault(f"options.classes.{name}", f"is {classes[name]!r}: {WRITE}")
                  for name in wrong]  # fmt: skip
        if not faults and legend.numbers and legend.colours:
            what = "are numbers for some classes and colours for others"
            faults = [Fault("options.classes", what)]
    else:
        legend = Legend([str(name) for name in classes])
        twice = sorted({name for name in legend.names if list(legend.names).count(name) > 1})
        faults = [Fault("options.classes", f"names {name!r} twice") for name in twice]
    if not legend.names:
        faults = [Fault("options.classes", "names no class")]
    if faults:
        raise RecipeError(faults)
    return legend


def _of_mapping(classes: Mapping[str, Any], where: str) -> tuple[Legend, list[str]]:
    numbers: dict[str, list[tuple[int, int]]] = {}
    colours: dict[str, int] = {}
    wrong = []
    # [0, 1, 2] may be three numbers or a colour: a colour where all classes have three.
    all_three = all(colour_of(value) is not None for value in classes.values())
    for name, value in classes.items():
        colour = colour_of(value) if all_three or isinstance(value, str) else None
        if colour is not None:
            colours[str(name)] = colour
        elif (found := _numbers(value)) is not None:
            numbers[str(name)] = found
        else:
            wrong.append(name)
    return Legend([str(name) for name in classes], numbers, colours, where=where), wrong


def _numbers(value: Any) -> list[tuple[int, int]] | None:
    parts = value if isinstance(value, list) else [value]
    found = []
    for part in parts:
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(part))
        if match is None or isinstance(part, bool):
            return None
        first = int(match[1])
        found.append((first, int(match[2] or first)))
    return found or None


def candidates(folders: Iterable[Path]) -> list[Path]:
    """Return the files beside masks that may name their classes, the nearest first."""
    found: dict[Path, None] = {}
    for folder in folders:
        for place in [folder, *list(folder.parents)[:ABOVE]]:
            for name in FILES:
                path = place / name
                if path.is_file() and path.stat().st_size <= MOST_BYTES:
                    found[path] = None
    return list(found)


def beside(folders: Iterable[Path]) -> Legend | None:
    """Return the legend of the first file that holds one.

    Raises:
        DataError: such a file is there, and cannot be read.
    """
    for path in candidates(folders):
        try:
            text = path.read_text("utf-8-sig")
            found = _of_json(text, path) if path.suffix == ".json" else _of_lines(text, path)
        except (OSError, ValueError) as error:
            what = f"names the classes of masks, and cannot be read: {error}"
            raise DataError(Fault(str(path), what)) from error
        if found is not None and found.names:
            return found
    return None


def _of_json(text: str, path: Path) -> Legend | None:
    found = json.loads(text)
    ignored: Sequence[int] = ()
    if isinstance(found, Mapping):
        given = next((found[k] for k in ("ignore", "ignore_index") if k in found), None)
        ignored = [given] if isinstance(given, int) else ()
        inner = next((found[k] for k in ("classes", "names", "labels", "id2label") if k in found),
                     found)  # fmt: skip
        found = inner
    if isinstance(found, list) and all(isinstance(item, Mapping) for item in found):
        found = _of_objects(found)
    if isinstance(found, list) and found and all(isinstance(item, str) for item in found):
        return Legend(found, ignored=ignored, where=str(path))
    if not isinstance(found, Mapping) or not found:
        return None
    if all(re.fullmatch(r"\d+", str(key)) and isinstance(v, str) for key, v in found.items()):
        found = {name: int(key) for key, name in found.items()}  # id -> name
    legend, wrong = _of_mapping(found, str(path))
    if wrong:
        return None
    return Legend(legend.names, legend.numbers, legend.colours, ignored, str(path))


def _of_objects(items: Sequence[Mapping[str, Any]]) -> Any:
    """Return name -> number or color of entries such as {"id": 1, "name": "road"}."""
    found = {}
    for item in items:
        name = next((item[k] for k in ("name", "label", "class", "readable") if k in item), None)
        value = next((item[k] for k in ("color", "colour", "rgb") if k in item), item.get("id"))
        if not isinstance(name, str) or value is None:
            return None
        found[name] = value
    return found


def _of_lines(text: str, path: Path) -> Legend | None:
    """Return the legend of a table or of lines: "name,r,g,b", "r g b name", "name:r,g,b::"."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(("#", "//"))]
    if path.suffix == ".csv":
        rows = list(csv.reader(lines))
        if rows and not any(re.fullmatch(r"\s*\d+\s*", cell) for cell in rows[0]):
            rows = rows[1:]  # the names of the columns
        cells = [[cell.strip() for cell in row] for row in rows]
    elif path.name == "labelmap.txt":
        cells = [[line.split(":")[0], *re.split(r"\s*,\s*", [*line.split(":"), ""][1])]
                 for line in lines]  # fmt: skip
    else:
        cells = [re.split(r"[,\t]\s*|\s+", line) for line in lines]
    colours = [_named_colour(row) for row in cells]
    if cells and all(item is not None for item in colours):
        pairs = [item for item in colours if item is not None]
        return Legend([name for name, _ in pairs], colours=dict(pairs), where=str(path))
    numbered = [re.fullmatch(r"(\d+)\s*[:,=\s]\s*(\S.*)", line) for line in lines]
    if path.suffix != ".csv" and lines and all(numbered):
        found = {m[2].strip(): [(int(m[1]), int(m[1]))] for m in numbered if m}
        return Legend(list(found), found, where=str(path))
    if path.suffix == ".csv" or path.name == "labelmap.txt":
        return None
    return Legend(lines, where=str(path))


def _named_colour(cells: Sequence[str]) -> tuple[str, int] | None:
    """Return the name and colour of a line whose name is first or last."""
    numbers = [place for place, cell in enumerate(cells) if re.fullmatch(r"\d{1,3}", cell)]
    for start in numbers:
        place = list(range(start, start + 3))
        if set(place) <= set(numbers) and (start > 0 or len(cells) > 3):
            name = " ".join(cells[:start] if start else cells[3:]).strip()
            colour = colour_of(list(cells[start : start + 3]))
            return (name, colour) if name and colour is not None else None
    return None
