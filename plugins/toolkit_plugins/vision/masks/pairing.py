"""Which mask is that of which image, by the names of files and folders, and of which split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolkit.data.sources import split_named
from toolkit.errors import Fault
from toolkit.utils.text import listing
from toolkit_plugins.vision.images import SUFFIXES
from toolkit_plugins.vision.masks.places import (
    NO_MASKS,
    Place,
    bare_image,
    bare_mask,
    barest_image,
)

SHOWN = 5
PAIRED = 0.5  # share of masks that must find an image, for the folders' names to count
BESIDE = 0.8  # share of names that are those of a photo and a mask, where no name says which is
LISTS = Path("ImageSets/Segmentation")  # of names, in data in the layout of Pascal VOC
JPEG = (".jpg", ".jpeg")
Key = tuple[Any, ...]


@dataclass
class Pairs:
    """Images with their masks, by split.

    images, masks: those without a partner. every: all images.
    """

    found: dict[str, list[tuple[Path, Path]]] = field(default_factory=lambda: defaultdict(list))
    images: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    masks: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    every: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    several: list[Fault] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Pairs of all splits."""
        return sum(map(len, self.found.values()))


@dataclass(frozen=True)
class Matching:
    """By what a mask finds its image, beside the name: the split, the other folders."""

    split: bool
    folders: bool

    def exact(self, place: Place) -> Key:
        """Return what files of one image have in common, with the name as it is."""
        return self._key(place, place.stem)

    def bare(self, place: Place) -> Key:
        """Return that with the name of the image alone."""
        stem = bare_mask(place.stem) if place.role == "mask" else None
        return self._key(place, bare_image(stem or place.stem))

    def barest(self, place: Place) -> Key:
        """Return that without a start for images, too: img_0.jpg is the image of mask_0.png."""
        stem = bare_mask(place.stem) if place.role == "mask" else None
        return self._key(place, barest_image(stem or place.stem))

    def _key(self, place: Place, stem: str) -> Key:
        rest = place.rest if self.folders else ()
        return (place.split if self.split else None, rest, stem.lower())


def pair(places: list[Place], split: str, root: Path, pairs: Pairs) -> None:
    """Add the pairs below a root; `split` is theirs, where it is not empty."""
    images, masks = _sorted_out(places)
    if not masks or not images:
        return
    if (splits := _listed_splits(root)) is not None:
        pairs.notes.append(f"splits by {LISTS}: {listing(splits)}")
    told = [{place.split for place in part} - {None} for part in (images, masks)]
    by = Matching(all(told), True)
    by = by if _share_paired(images, masks, by) >= PAIRED else Matching(all(told), False)
    one = sorted(str(name) for name in told[0] | told[1])
    usual = None if all(told) else one[-1] if one else "train"  # of those that tell none
    for key, (there, own) in _groups(images, masks, by).items():
        for place in there:
            pairs.every[_split_of(place, split, splits) or usual or "train"].append(place.path)
        there, own = _of_train(there, own, pairs)
        names = [_split_of(place, split, splits) for place in (*there[:1], *own[:1])]
        name = next((name for name in names if name), usual if splits is None else None)
        if name is None:
            pairs.skipped += [place.path for place in [*there, *own]]
        elif len(there) == 1 and len(own) == 1:
            pairs.found[name].append((there[0].path, own[0].path))
        elif there and own:
            shown = [listing((p.path.name for p in part), SHOWN) for part in (there, own)]
            what = f"{key[-1]!r} is the name of images {shown[0]} and of masks {shown[1]}"
            pairs.several.append(Fault(str(there[0].path.parent), what))
        else:
            pairs.images[name] += [place.path for place in there]
            pairs.masks[name] += [place.path for place in own]


def _of_train(
    there: list[Place], own: list[Place], pairs: Pairs
) -> tuple[list[Place], list[Place]]:
    """Return the images of a name that masks are for: those of train, if masks tell no split."""
    train = [place for place in there if place.split == "train"]
    if len(there) < 2 or len(train) != 1 or any(place.split for place in own):
        return there, own
    for place in there:
        if place.split != "train":
            pairs.images[place.split or "train"].append(place.path)
    return train, own


def _sorted_out(places: list[Place]) -> tuple[list[Place], list[Place]]:
    """Return the images and the masks among files, by their folders, or else by their names."""
    masks = [p for p in places if p.role == "mask" and not NO_MASKS.search(p.stem.lower())]
    others = [p for p in places if p.role in ("image", "")]
    if masks:
        images = [p for p in others if p.role == "image"] or others
    else:
        images, masks = _side_by_side(others)
    images = [place for place in images if place.path.suffix.lower() in SUFFIXES]
    return images, _best_of_cityscapes(masks)


def _groups(
    images: Sequence[Place], masks: Sequence[Place], by: Matching
) -> dict[Key, tuple[list[Place], list[Place]]]:
    """Return the images and masks of each name; the very name of an image goes first.

    Images may be called a_l.jpg and a.jpg: then a_l.png is the mask of the first.
    """
    bare = {by.bare(place): by.exact(place) for place in images}
    barest = defaultdict[Key, list[Key]](list)
    for place in images:
        barest[by.barest(place)].append(by.exact(place))
    alone = {key: own[0] for key, own in barest.items() if len(own) == 1}
    found: dict[Key, tuple[list[Place], list[Place]]] = defaultdict(lambda: ([], []))
    for place in images:
        found[by.exact(place)][0].append(place)
    exact = set(found)
    for place in masks:
        key = by.exact(place)
        if key not in exact:
            key = bare.get(by.bare(place)) or alone.get(by.barest(place), key)
        found[key][1].append(place)
    return found


def _share_paired(images: Sequence[Place], masks: Sequence[Place], by: Matching) -> float:
    """Return the share of masks that find an image."""
    ways = by.exact, by.bare, by.barest
    there = {key(place) for place in images for key in ways}
    own = [any(key(place) in there for key in ways) for place in masks]
    return sum(own) / len(own)


def _side_by_side(places: list[Place]) -> tuple[list[Place], list[Place]]:
    """Return images and masks of one folder: x.jpg with x_mask.png, or x.jpg with x.png."""
    stems = {(p.split, p.rest, bare(p.stem).lower())
             for p in places for bare in (bare_image, barest_image)}  # fmt: skip
    masks = []
    for place in places:
        bare = bare_mask(place.stem)
        if bare is not None and (place.split, place.rest, bare_image(bare).lower()) in stems:
            masks.append(Place(place.path, "mask", place.split, place.rest))
    if masks:
        gone = {place.path for place in masks}
        return [p for p in places if p.path not in gone], masks
    suffixes = defaultdict(list)
    for place in places:
        suffixes[place.split, place.rest, place.stem.lower()].append(place)
    two = {key: own for key, own in suffixes.items() if len(own) == 2}
    photos, rest = list[Place](), list[Place]()
    for first, second in two.values():
        pair = sorted((first, second), key=lambda p: p.path.suffix.lower() not in JPEG)
        kinds = [p.path.suffix.lower() for p in pair]
        if kinds[0] in JPEG and kinds[1] not in JPEG:
            photos.append(pair[0])
            rest.append(Place(pair[1].path, "mask", pair[1].split, pair[1].rest))
    if len(photos) < BESIDE * max(len(suffixes), 1):
        return places, []
    gone = {place.path for place in [*photos, *rest]}
    return [*photos, *(p for p in places if p.path not in gone)], rest


def _best_of_cityscapes(masks: list[Place]) -> list[Place]:
    """Return masks without the labelIds of images that have labelTrainIds, too."""
    low = {str(p.path).lower() for p in masks}
    return [p for p in masks
            if str(p.path).lower().replace("_labelids.", "_labeltrainids.") not in low
            or "_labelids." not in str(p.path).lower()]  # fmt: skip


def _listed_splits(root: Path) -> dict[str, set[str]] | None:
    """Return split -> names of images, by the lists of Pascal VOC; None without them."""
    folders = [path for path in (root / LISTS, *root.glob(f"*/{LISTS}")) if path.is_dir()]
    if not folders:
        return None
    lists = {path.stem.lower(): {line.split()[0] for line in
             path.read_text("utf-8", "replace").splitlines() if line.strip()}
             for path in sorted(folders[0].glob("*.txt"))}  # fmt: skip
    found: dict[str, set[str]] = {}
    for name, stems in lists.items():
        if (split := split_named(name)) is not None:
            found.setdefault(split, stems)
    if "train" not in found and (both := lists.get("trainval") or lists.get("default")):
        found["train"] = both - set().union(*found.values())
    return found or None


def _split_of(place: Place, split: str, splits: Mapping[str, set[str]] | None) -> str | None:
    """Return the split that a file, or a list of names, tells."""
    if split:
        return split
    if splits is None:
        return place.split
    stem = bare_mask(place.stem) if place.role == "mask" else None
    return next((name for name, stems in splits.items()
                 if {place.stem, stem or place.stem} & stems), None)  # fmt: skip
