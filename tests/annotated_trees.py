"""Small folders of annotated images, made in code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image
from toolkit_plugins.vision.annotations import read

SIZE = (100, 80)


def images(folder: Path, *names: str, size: tuple[int, int] = SIZE, turned: int = 1) -> None:
    """Write images; `turned` is the orientation in EXIF."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = turned
        Image.new("RGB", size, "gray").save(path, exif=exif)


def text(path: Path, content: str) -> Path:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def coco(
    path: Path, boxes: dict[str, list[Any]], names: tuple[str, ...] = ("cat", "dog"), **more: Any
) -> Path:
    """Write a COCO file: image -> list of (class, bbox) or whole annotations."""
    value: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    for number, (name, own) in enumerate(boxes.items(), 1):
        value["images"].append({"id": number, "file_name": name, "width": 100, "height": 80})
        for one in own:
            entry = (
                dict(one)
                if isinstance(one, dict)
                else {"category_id": 10 * names.index(one[0]) + 1, "bbox": one[1]}
            )
            ids = {"id": len(value["annotations"]) + 1, "image_id": number, "category_id": 1}
            value["annotations"].append(ids | entry)
    value["categories"] = [{"id": 10 * n + 1, "name": name} for n, name in enumerate(names)]
    return text(path, json.dumps(value | more))


def voc(
    path: Path,
    boxes: list[Any],
    *,
    size: tuple[int, int] = SIZE,
    filename: str = "",
    source: str = "Unknown",
    more: str = "",
) -> Path:
    """Write an xml file: a list of (class, corners)."""
    things = "".join(
        f"<object><name>{name}</name>{more}<bndbox><xmin>{b[0]}</xmin><ymin>{b[1]}</ymin>"
        f"<xmax>{b[2]}</xmax><ymax>{b[3]}</ymax></bndbox></object>"
        for name, b in boxes
    )
    return text(
        path,
        f"<annotation><filename>{filename or path.stem + '.png'}</filename><source>"
        f"<database>{source}</database></source><size><width>{size[0]}</width><height>"
        f"{size[1]}</height></size>{things}</annotation>",
    )


def rows(source: Any, **settings: Any) -> dict[str, dict[str, list[Any]]]:
    """Return split -> file name -> list of (class, box rounded to a tenth of a pixel)."""
    found = read(_text(source), True, "image", "objects", **settings)
    assert found is not None
    return {
        split: {
            Path(row["image"]).name: [
                (thing["label"], [round(v, 1) for v in thing["box"]]) for thing in row["objects"]
            ]
            for row in there
        }
        for split, there in found.splits.items()
    }


def notes(source: Any, **settings: Any) -> str:
    """Return the notes of a source, a line each."""
    found = read(_text(source), True, "image", "objects", **settings)
    assert found is not None
    return "\n".join(found.notes)


def _text(source: Any) -> Any:
    return str(source) if isinstance(source, Path) else source
