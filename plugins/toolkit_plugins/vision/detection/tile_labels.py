"""What tiles teach: their objects, which of them training keeps, and what is told of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit.tasks.boxes import geometry
from toolkit.utils.text import counted
from toolkit_plugins.vision.detection import batches, tiles

if TYPE_CHECKING:
    import datasets

    from toolkit_plugins.vision.canvas import Canvas
    from toolkit_plugins.vision.detection.options import Tiles
    from toolkit_plugins.vision.detection.plugin import ObjectDetection

Array = np.ndarray[Any, Any]
LEAST = 2.0  # pixels a side of what is learned in a whole image that is shrunk


@dataclass
class Counts:
    """What becomes of a split's images and objects in tiles."""

    images: int = 0
    tiles: int = 0
    left_out: int = 0  # empty tiles
    of_objects: Counter[str] = field(default_factory=Counter)  # how -> objects or their parts

    def in_words(self, split: str, wanted: Tiles) -> list[str]:
        """Return notes."""
        found = [f"{split}: {counted(self.images, 'images')} in {counted(self.tiles, 'tiles')}"]
        if self.left_out:
            found[0] += (f"; {counted(self.left_out, 'tiles without objects')} left out "
                         f"(options.tiles.empty={wanted.empty:g})")  # fmt: skip
        if cut := self.of_objects["clipped"]:
            what = counted(cut, "parts of objects at the edges of tiles")
            found.append(f"{split}: {what} count as objects")
        if few := self.of_objects["parts"]:
            what = counted(few, "parts of objects at the edges of tiles")
            least = f"options.tiles.min_visible={wanted.min_visible:g}"
            found.append(f"{split}: {what} left out: less than {least} of the object is visible")
        if lost := self.of_objects["lost"]:
            hint = "" if wanted.whole else ", or options.tiles.whole=true"
            found.append(
                f"{split}: {counted(lost, 'objects')} in no tile, too large or cut too often: "
                f"larger tiles or more overlap show them (options.tiles{hint})"
            )
        return found


def prepared(plugin: ObjectDetection, split: Any, name: str, wanted: Tiles) -> Any:
    """Return a row for each tile, as `Plugin.prepare` does, and keep counts for the notes.

    Of tiles without objects training has a share.
    """
    options, labels = plugin.options, name != "predict" and plugin.target in split.column_names
    way = options.cache if name != "predict" else "never"
    found = tiles.sources(split, options.image, plugin.canvas, wanted, way, name == "predict")
    if not labels:
        return found
    ids = {label: place for place, label in enumerate(plugin.classes)}
    cells, seed = split.select_columns([plugin.target]), plugin.recipe.seed if plugin.recipe else 0
    made = labelled(found, lambda row: cells[row][plugin.target] or (), ids, wanted,
                    plugin.canvas, name == "train", seed)  # fmt: skip
    if name in (plugin.data or {}):
        plugin.in_tiles[name] = made.counts
    found = found.add_column("labels", made.labels, feature=batches.label_features())
    return found.select(made.stay) if len(made.stay) < len(found) else found


class Labelled(NamedTuple):
    """Labels of all tiles, counts, and the numbers of the tiles that are kept."""

    labels: list[dict[str, Any]]
    counts: Counts
    stay: list[int]


def labelled(
    prepared: datasets.Dataset,
    objects: Callable[[int], Sequence[Mapping[str, Any]]],
    ids: Mapping[str, int],
    wanted: Tiles,
    canvas: Canvas,
    training: bool,
    seed: int = 0,
) -> Labelled:
    """Return the labels of tiles, what is counted, and which tiles are kept.

    A tile has the objects of which `min_visible` or more is in it, clipped. In training, of tiles
    without objects only a share is kept, drawn by the seed; each image keeps one tile at least.

    Args:
        prepared: as `sources` returns it. objects: of an image, by its number. ids: of classes.
    """
    counts = Counts(tiles=len(prepared))
    rows: list[dict[str, Any]] = []
    owners, shown, last = prepared["chunk_of"][:], set[int](), -1
    known: list[Mapping[str, Any]] = []
    for owner, place in zip(owners, prepared["pixel_values"][:], strict=True):
        if owner != last:
            counts.of_objects["lost"] += len(known) - len(shown)
            counts.images, shown, last = counts.images + 1, set(), owner
            known = [one for one in objects(owner) if not one.get("crowd") and one["label"] in ids]
        boxes, kept = _clipped(tiles.Seen.of(place), known, wanted, counts)
        shown.update(kept)
        places = geometry.to_centres(boxes, (canvas.width, canvas.height))
        numbers = [ids[known[number]["label"]] for number in kept]
        rows.append({"class_labels": numbers, "boxes": places.tolist()})
    counts.of_objects["lost"] += len(known) - len(shown)
    stay = _staying(owners, rows, wanted.empty, seed) if training else list(range(len(rows)))
    counts.left_out = len(rows) - len(stay)
    return Labelled(rows, counts, stay)


def _clipped(
    seen: tiles.Seen, known: Sequence[Mapping[str, Any]], wanted: Tiles, counts: Counts
) -> tuple[Array, list[int]]:
    """Return the boxes that a tile shows, in pixels of the canvas, and which objects they are."""
    given = np.array([one["box"] for one in known], float).reshape(-1, 4)
    limits = np.tile(seen.box[:2], 2), np.tile(seen.box[2:], 2)
    inside = np.clip(given, *limits)
    sides = inside[:, 2:] - inside[:, :2]
    share = sides.prod(1) / np.maximum((given[:, 2:] - given[:, :2]).prod(1), 1e-12)
    visible = (sides > 0).all(1)
    enough = visible & (share >= wanted.min_visible)
    boxes = seen.on_canvas(inside)
    if seen.shrunk:
        enough &= (boxes[:, 2:] - boxes[:, :2] >= LEAST).all(1)
    else:
        counts.of_objects["parts"] += int((visible & ~enough).sum())
        counts.of_objects["clipped"] += int((enough & (share < 1 - 1e-9)).sum())
    return boxes[enough], np.flatnonzero(enough).tolist()


def _staying(
    owners: Sequence[int], rows: Sequence[Mapping[str, Any]], share: float, seed: int
) -> list[int]:
    """Return the numbers of the tiles to learn from, ascending."""
    drawn = np.random.default_rng(seed).random(len(rows))
    keep = np.array([bool(row["class_labels"]) for row in rows]) | (drawn < share)
    bare = set(owners) - {owner for owner, there in zip(owners, keep, strict=True) if there}
    if bare:  # every image stays: by the tile that is drawn first
        first: dict[int, int] = {}
        for place, owner in enumerate(owners):
            if owner in bare and (owner not in first or drawn[place] < drawn[first[owner]]):
                first[owner] = place
        keep[list(first.values())] = True
    return np.flatnonzero(keep).tolist()


def own_size(folder: Path) -> tuple[int, int] | None:
    """Return height and width of the images that a pretrained model was trained on, if it says."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return None
    size = json.loads(path.read_text(encoding="utf-8")).get("size")
    try:
        return int(size["height"]), int(size["width"])
    except (KeyError, TypeError, ValueError):  # edges alone, or none
        return None


def in_words(wanted: Tiles, own: tuple[int, int] | None) -> str:
    """Return the note on how images are seen."""
    side = wanted.size
    whole = ", and the whole image is resized to one more" if wanted.whole else ""
    told = (f"images are cut into tiles of {side} x {side} pixels that share {wanted.shared}"
            f"{whole} (options.tiles)")  # fmt: skip
    if own is not None and own != (side, side):
        told += (f"; the model was trained on images of {own[0]} x {own[1]}: it sees smaller parts "
                 "of them, not resized") if side < min(own) else (
                 f"; the model was trained on images of {own[0]} x {own[1]}")  # fmt: skip
    return told


def notes(plugin: ObjectDetection) -> list[str]:
    """Return how images are cut, and what became of their objects; [] without tiles."""
    wanted = plugin.options.tiles
    if wanted is None:
        return []
    lines = [line for name, of in plugin.in_tiles.items() for line in of.in_words(name, wanted)]
    return [in_words(wanted, own_size(plugin.model_path)), *lines]
