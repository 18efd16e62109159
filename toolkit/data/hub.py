"""`hub:owner/name[:config][@revision]`: a dataset of the Hub, or of the local cache."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.data.sources import ALIASES, split_named
from toolkit.errors import DataError, Fault
from toolkit.utils.text import listing

if TYPE_CHECKING:
    import datasets

PATTERN = re.compile(r"hub:(?P<name>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[^@]+))?(?:@(?P<rev>.+))?")


def read_hub(source: str) -> tuple[dict[str, datasets.Dataset], str, list[str]]:
    """Return (splits, fingerprint, notes) of a dataset of the Hub.

    Raises:
        DataError: the address is malformed, or the dataset cannot be loaded (no network and not
            in the cache, unknown name, one that needs code from the Hub).
    """
    import datasets

    match = PATTERN.fullmatch(source)
    if match is None:
        what = f"write hub:owner/name[:config][@revision], not {source!r}"
        raise DataError(Fault("data.source", what))
    name, config, revision = match.group("name", "config", "rev")
    try:
        found = datasets.load_dataset(name, config, revision=revision)
    except Exception as error:  # network, Hub and builder errors have no common base
        what = (
            f"cannot be loaded from the Hub or the local cache ({type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}). Without a network, give local files with "
            "--data FILE."
        )
        raise DataError(Fault(source, what)) from error
    splits: dict[str, datasets.Dataset] = {}
    for given, rows in found.items():
        split = given if given in ALIASES else split_named(str(given))
        if split is not None:
            splits.setdefault(split, rows)
    if "train" not in splits:
        raise DataError(Fault(source, f"has no train split but {listing(found)}"))
    skipped = [name for name in found if found[name] not in splits.values()]
    notes = [f"{source}: skipped split(s) {listing(skipped)}"] if skipped else []
    fingerprint = "".join(f"{split}:{splits[split]._fingerprint}" for split in sorted(splits))
    return {name: splits[name] for name in ALIASES if name in splits}, fingerprint, notes
