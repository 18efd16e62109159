"""What is published of a run's folder, without data and local paths, and what is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from toolkit.data import known_inputs
from toolkit.deployment.publishing.paths import LocalPaths
from toolkit.errors import UserError
from toolkit.models import adapters
from toolkit.models.find import WANTED
from toolkit.recipe.yaml_text import brief, construct, dump
from toolkit.runs.folder import Run, require_own
from toolkit.runs.record import RunRecord
from toolkit.runs.saved_model import require_unchanged
from toolkit.utils.text import listing, printable

PARTS = ("model", "README.md", "recipe.yaml", "run.json", "report.html", "figures",
         "predictions.jsonl")  # fmt: skip
ROWS = "rows of data: --with-data sends it"
# In a saved model's JSON: keys under which libraries write paths, and their values.
_PLACES = re.compile(
    r'("\w*(?:name_or_path|_path|_file|_dir|_folder)"\s*:\s*)'
    r'("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")'
)


@dataclass
class UploadPlan:
    """What is published of a run, and where: OWNER/NAME, branch, commit message.

    private: visibility of a new repository; a public one is refused then. files: path in the
    repository -> content, or the file with it. left_out: path in the run's folder -> why it is not
    sent. paths: local path -> what is written instead. texts: key of the recipe -> what somebody
    wrote there in words. notes: for whoever publishes.
    """

    repo: str
    private: bool
    branch: str
    message: str
    files: dict[str, Path | bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def summary(self) -> Iterator[str]:
        """Yield a line per file with its bytes, then what is not sent, and what is changed."""
        sizes = {path: len(found) if isinstance(found, bytes) else found.stat().st_size
                 for path, found in sorted(self.files.items())}  # fmt: skip
        yield from (f"{size:>14,}  {path}" for path, size in sizes.items())
        yield f"{sum(sizes.values()):>14,}  bytes in {len(sizes)} files"
        reasons: dict[str, list[str]] = {}
        for path, why in self.left_out.items():
            reasons.setdefault(why, []).append(path)
        yield from (f"not sent: {listing(paths, 8)}: {why}" for why, paths in reasons.items())
        yield from (f"written as {name}: {path}" for path, name in sorted(self.paths.items()))
        yield from (f"sent with the recipe: {key}: {text}" for key, text in self.texts.items())
        yield from (f"note: {note}" for note in self.notes)


def collect(run: Run, plan: UploadPlan, with_data: bool) -> None:
    """Collect what is published of a finished run in a plan.

    Args:
        with_data: whether to include what shows rows of data.

    Raises:
        UserError: the folder is incomplete or damaged, or has links that lead out of it.
    """
    require_own(run.path)
    collector = _Collector(run, plan, with_data)
    collector.model()
    collector.texts()
    collector.figures()
    collector.report()
    for entry in sorted(run.path.iterdir()):
        if entry.name not in PARTS:
            name = f"{entry.name}/" if entry.is_dir() else entry.name
            plan.left_out[name] = "not part of a published run"


class _Collector:
    def __init__(self, run: Run, plan: UploadPlan, with_data: bool) -> None:
        self.run, self.plan, self.with_data = run, plan, with_data
        file = run.path / "recipe.yaml"
        try:
            recipe = construct(_read(file))
        except yaml.YAMLError as error:
            raise UserError(f"{file} is damaged: {brief(error)}") from None
        self.clean = LocalPaths.of_run(run.path, run.record, recipe)
        plan.paths = self.clean.replaced
        self.record = self.clean.values(self._record())
        recipe = self.clean.values(recipe)
        self.recipe = f"# toolkit run recipe.yaml\n{dump(recipe)}"
        plan.texts = dict(_free_texts(recipe))

    def _record(self) -> dict[str, Any]:
        """Return the known keys of run.json: others may be private (a tracker's address)."""
        known = RunRecord.model_fields
        found = {key: value for key, value in self.run.record.items() if key in known}
        if not self.with_data:
            found["slices"] = {}  # named after values of a column
            figures = found.get("figures", {}).items()
            found["figures"] = {name: path for name, path in figures if path.endswith(".svg")}
        for part, _, published in self._usages():
            found[part] = {**found[part], "usage": published}
        return found

    def _usages(self) -> Iterator[tuple[str, str, str]]:
        """Yield parts of run.json with code that loads the model; it, and by its Hub name."""
        note = "  # of the run; where it is published, its name there"
        for part in ("card", "adapter"):
            if usage := (self.run.record.get(part) or {}).get("usage"):
                yield part, usage, usage.replace(note, "").replace('"model"', f'"{self.plan.repo}"')

    def model(self) -> None:
        """Add the files of `model/`, at the root."""
        folder, record = self.run.path / "model", self.run.record["model"]
        require_unchanged(folder, self.run.record.get("model_files", {}))
        if not any(folder.glob("*.safetensors")):
            raise UserError(f"{self.run.path} holds no model: {folder} has no safetensors weights")
        for file in sorted(filter(Path.is_file, folder.rglob("*"))):
            path = file.relative_to(folder).as_posix()
            hidden = any(part.startswith(".") for part in path.split("/"))
            if path == known_inputs.FILE and not self.with_data:
                self.plan.left_out[f"model/{path}"] = (
                    f"tells who has a row if it was seen, as {ROWS}"
                )
            elif hidden or not any(file.match(kind) for kind in WANTED):
                self.plan.left_out[f"model/{path}"] = "not needed to load the model"
            elif path != "README.md":  # the run's card replaces it
                text = _read(file) if file.suffix == ".json" else ""
                cleaned = _PLACES.sub(self._without_place, text)
                self.plan.files[path] = file if cleaned == text else cleaned.encode()
        if (folder / adapters.CONFIG).is_file():
            what = f"the model is an adapter of {record['id']}, and is sent as one"
            more = "`toolkit export RUN --merge` makes one plain model of the two"
            self.plan.notes.append(f"{what}; {more}")
            if record["source"] == "folder":
                what = f"{record['id']} is a folder of this machine"
                self.plan.notes.append(f"{what}: others cannot load the adapter without it")

    def _without_place(self, found: re.Match[str]) -> str:
        return found[1] + json.dumps(self.clean.values(json.loads(found[2])), ensure_ascii=False)

    def texts(self) -> None:
        """Add card, recipe and run.json."""
        if (card := self.run.path / "README.md").is_file():
            self.plan.files["README.md"] = _encoded(self._card(_read(card)))
        else:
            self.plan.left_out["README.md"] = "is not there"
        self.plan.files["recipe.yaml"] = _encoded(self.recipe)
        self.plan.files["run.json"] = _encoded(json.dumps(self.record, indent=2) + "\n")

    def _card(self, text: str) -> str:
        """Return README.md, with all edits, but without what is not sent.

        The command may hold relative paths and what else its author typed.
        """
        from toolkit.reporting import card

        record = self.run.record
        shown = {**record, "command": None} | ({} if self.with_data else {"slices": {}})
        kept = card.body(shown, record.get("adapter")).splitlines()
        gone = set(card.body(record, record.get("adapter")).splitlines()) - set(kept)
        text = "\n".join(line for line in text.split("\n") if line not in gone)
        for _, usage, published in self._usages():
            text = text.replace(printable(usage), printable(published))
        return self.clean.text(text)

    def figures(self) -> None:
        """Add curves with their points; images, which may show rows, only with the data."""
        drawn = self.run.record.get("figures", {}).values()
        curves = {Path(path).stem for path in drawn if path.endswith(".svg")}
        for file in sorted((self.run.path / "figures").glob("*")):
            sent = file.stem in curves and file.suffix in (".svg", ".json")
            self._rows_or_not(file, "an image, which may show", sent)

    def _rows_or_not(self, file: Path, why: str, sent: bool = False) -> None:
        name = file.relative_to(self.run.path).as_posix()
        if sent or self.with_data:
            self.plan.files[name] = file
        else:
            self.plan.left_out[name] = f"{why} {ROWS}"

    def report(self) -> None:
        """Add the report, rewritten for publication, and with the data predictions.jsonl."""
        from toolkit.reporting import html

        if (rows := self.run.path / "predictions.jsonl").is_file():
            self._rows_or_not(rows, "one line a test row: shows")
        try:
            page = html.published(self.run, self.record, self.recipe, self.with_data)
        except OSError as error:
            why = f"which cannot be read ({error.strerror or error})"
            self.plan.left_out[html.FILE] = f"rewritten for publication from {rows.name}, {why}"
        else:
            self.plan.files[html.FILE] = _encoded(page)


def _free_texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield the texts in a recipe that hold blanks, and so are words of somebody's."""
    if isinstance(value, Mapping | list):
        for name, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _free_texts(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, str) and (" " in value.strip() or key == "description"):
        yield key, value


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from None
