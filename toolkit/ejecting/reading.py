"""How the rows of a run were read and split, for the script's own reading."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.ejecting.source import literal
from toolkit.plugin import column_markers, columns

if TYPE_CHECKING:
    from toolkit.job import Job
    from toolkit.recipe import DataSpec

Refuse = Callable[[str, str], str]
OWN = "data.source"


@dataclass
class Reading:
    """What the templates are told of the data.

    constants: of the script. form: csv, json, parquet, arrow, hub, folders (of files, a folder a
    class), or plugin, where only the scenario can say how its rows are had. way: of splitting.
    made: whether splits are taken out of train. columns: of the source, before any is renamed.
    filters: whether rows were left out.
    """

    constants: dict[str, Any] = field(default_factory=dict)
    form: str = "plugin"
    way: str = "random"
    seed: str = "SEED"
    made: bool = False
    filters: bool = False
    target: str = ""
    target_needed: bool = True
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: bool = True
    quotechar: str = ""
    packed: bool = False
    hub: str = ""
    suffixes: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, job: Job, refuse: Refuse) -> Reading:
        """Look at a job's recipe and rows.

        Args:
            refuse: is told where and what a script cannot say.
        """
        found = cls()
        spec, plugin = job.recipe.data, job.plugin
        markers = column_markers(type(plugin.options))
        targets = columns(plugin.options, "target")
        named = {**columns(plugin.options, "input"), **targets}
        split = spec.split
        names = dict.fromkeys([*named.values(), split.group, split.time])
        found.constants["DATA"] = None
        columns_read = [name for name in names if name is not None]
        found.suffixes = [end for mark in markers.values() for end in mark.files]
        _find(found, spec, refuse)
        if found.form not in ("plugin", "folders"):
            found.constants["COLUMNS"] = columns_read
        first = next(iter(targets), None)
        found.target = literal(targets[first]) if first else ""
        found.target_needed = first is not None and not markers[first.split(".")[0]].may_be_empty
        found.filters = bool(job.loaded.set_aside)
        if found.filters:
            found.constants["INPUTS"] = list(columns(plugin.options, "input").values())
        found._rename(spec)
        found._split(job, refuse)
        return found

    def _rename(self, spec: DataSpec) -> None:
        wanted = self.constants.get("COLUMNS", ())
        renamed = {
            old: new
            for old, new in spec.rename.items()
            if new in wanted and old in self.columns and new not in self.columns
        }
        if renamed:
            self.constants["RENAME"] = renamed

    def _split(self, job: Job, refuse: Refuse) -> None:
        spec = job.recipe.data.split
        given = [n for n in ("test", "validation") if n in self.constants.get("SPLITS", ())]
        source = self.constants["DATA"]
        if isinstance(source, Mapping):
            given += [name for name in ("test", "validation") if name in source]
        sizes = {"test": spec.test, "validation": spec.validation}
        made = {name: size for name, size in sizes.items() if name not in given}
        self.made = bool(made)
        if not made:
            return
        self.constants["SPLIT"] = made
        self.seed = "SEED" if spec.seed is None else str(spec.seed)
        if spec.time:
            refuse("data.split.time", "splits by time are not covered")
        elif spec.group:
            self.way = "group"
            self.constants["GROUP"] = spec.group
        elif spec.stratify:
            self.way = "stratified"


def _find(found: Reading, spec: DataSpec, refuse: Refuse) -> None:
    """Say where the rows are, and in which form."""
    from toolkit.data import attached, files

    folders = attached.class_folders(spec.source) if found.suffixes else None
    if folders is not None:
        found.form = "folders"
        there = {name: str(path.resolve()) for name, path in folders[0].items()}
        found.constants |= {"DATA": there, "SUFFIXES": found.suffixes}
    elif isinstance(spec.source, str) and spec.source.startswith("plugin:"):
        found.form = "plugin"
    elif isinstance(spec.source, str) and spec.source.startswith("hub:"):
        _hub(found, spec.source)
    else:
        paths, _ = files.find(spec.source)
        found.constants["DATA"] = {
            name: [str(path.resolve()) for path in paths[name]]
            for name in files.ALIASES if name in paths
        }  # fmt: skip
        every = [path.resolve() for some in paths.values() for path in some]
        forms = {str(files.format_of(path)) for path in every}
        if found.suffixes and len({path.parent for path in every}) == 1:
            found.constants["FOLDER"] = str(every[0].parent)
        if len(forms) > 1:
            refuse(OWN, f"files of several forms ({', '.join(sorted(forms))}) are not covered")
        found.form = forms.pop()
        found.packed = any(path.suffix.lower() == ".gz" for path in every)
        if found.packed and found.form != "csv":
            refuse(OWN, f"packed {found.form} files are not covered: unpack them")
        elif found.form == "csv":
            _csv(found, every, spec, refuse)
        else:
            from toolkit.data import typed

            found.columns = typed.read(every[0], spec.encoding).column_names


def _hub(found: Reading, source: str) -> None:
    import datasets

    from toolkit.data import hub
    from toolkit.data.files import ALIASES, split_named

    match = hub.PATTERN.fullmatch(source)
    name, config, revision = match.group("name", "config", "rev") if match else (source, None, None)
    there = datasets.get_dataset_split_names(name, config, revision=revision)
    splits: dict[str, str] = {}
    for given in there:
        split = given if given in ALIASES else split_named(str(given))
        if split is not None:
            splits.setdefault(split, given)
    found.form = "hub"
    builder = datasets.load_dataset(name, config, revision=revision, split=splits["train"])
    found.columns = builder.column_names
    found.constants |= {"DATA": name, "CONFIGURATION": config, "DATA_REVISION": revision}
    found.hub = "DATA" + (", CONFIGURATION" if config else "")
    found.hub += ", revision=DATA_REVISION" if revision else ""
    found.constants["SPLITS"] = splits


def _csv(found: Reading, paths: list[Path], spec: DataSpec, refuse: Refuse) -> None:
    from toolkit.data import dialect

    dialects = [dialect.find(p, spec.encoding, spec.delimiter, spec.quote or None) for p in paths]
    marks = {one.delimiter for one in dialects}
    if len(marks) > 1:
        refuse("data.delimiter", "csv files with different delimiters are not covered")
    found.delimiter, found.columns = dialects[0].delimiter, dialects[0].columns
    found.quote = bool(spec.quote)
    found.quotechar = f", quotechar={literal(spec.quote)}" if spec.quote != '"' else ""
    utf8 = spec.encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    found.encoding = "utf-8-sig" if utf8 else spec.encoding
