"""A run's folder read for publishing: what leaves it, as it leaves it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from toolkit.deployment.publishing import paths
from toolkit.deployment.publishing.plan import Item, Plan
from toolkit.errors import Fault, UserError
from toolkit.models import adapters
from toolkit.models.find import WANTED
from toolkit.recipe.yaml_text import brief, construct, dump
from toolkit.reporting import examples
from toolkit.runs.folder import Run
from toolkit.runs.record import Record
from toolkit.training import log_history

ROWS = "shows rows of data: --with-data sends it"
# Keys of a saved model's JSON under which libraries write where files were.
_PLACES = re.compile(r'"\w*(?:name_or_path|_path|_file|_dir|_folder)"\s*:\s*"(?:[/~\\]|[A-Za-z]:)')
_KEY = re.compile(r"\w*(?:name_or_path|_path|_file|_dir|_folder)")


def plan(run: Run, repo: str, with_data: bool = False) -> Plan:
    """Return what is published of a finished run, read but not sent.

    Args:
        repo: OWNER/NAME, by which the card then says how the model is loaded.
        with_data: whether what shows rows of data is published, too.

    Raises:
        UserError: the folder lacks what a run has, is damaged, or holds links that lead out of it.
    """
    return _Planner(run, repo, with_data).made()


class _Planner:
    def __init__(self, run: Run, repo: str, with_data: bool) -> None:
        self.run, self.repo, self.with_data = run, repo, with_data
        self.plan, self.links = Plan(), list[Fault]()
        recipe = _recipe(run.path)
        self.clean = paths.of_run(run.path, run.record, recipe)
        self.record = self.clean.values(self._record())
        self.recipe = f"# toolkit run recipe.yaml\n{dump(self.clean.values(recipe))}"

    def made(self) -> Plan:
        self._model()
        self._text("README.md", self._card)
        self._text("recipe.yaml", lambda _: self.recipe)
        self._text("run.json", lambda _: json.dumps(self.record, indent=2) + "\n")
        self._figures()
        self._rows()
        if self.links:
            raise UserError(self.links)
        self._report()
        self._others()
        self.plan.paths = dict(sorted(self.clean.replaced.items()))
        return self.plan

    def _record(self) -> dict[str, Any]:
        """Return run.json by its known keys: others' may be anything (the place of a tracker)."""
        found = {key: value for key, value in self.run.record.items() if key in Record.model_fields}
        if not self.with_data:
            # Their names are cells of a column.
            found["slices"] = {}
            figures = found.get("figures") or {}
            found["figures"] = {n: p for n, p in figures.items() if p.endswith(".svg")}
        for part in ("card", "adapter"):
            if (found.get(part) or {}).get("usage"):
                found[part] = {**found[part], "usage": self._usage(found[part]["usage"])}
        return found

    def _usage(self, text: str) -> str:
        """Return lines that load a model with its name on the Hub in place of its folder's."""
        note = "  # of the run; where it is published, its name there"
        return text.replace(note, "").replace('"model"', f'"{self.repo}"')

    def _add(self, path: str, file: Path, content: bytes | None = None) -> None:
        source = file.relative_to(self.run.path).as_posix()
        if not self._leads_out(file):
            self.plan.items.append(Item(path, file if content is None else content, source))

    def _leads_out(self, file: Path) -> bool:
        out = not file.resolve().is_relative_to(self.run.path.resolve())
        fault = Fault(str(file), "is a link that leads out of the run's folder: remove it, or copy "
                      "the file")  # fmt: skip
        if out and fault not in self.links:
            self.links.append(fault)
        return out

    def _text(self, name: str, change: Callable[[str], str]) -> None:
        file = self.run.path / name
        if not file.is_file():
            self.plan.left_out[name] = "is not there"
        elif not self._leads_out(file):
            self._add(name, file, change(_read(file)).encode("utf-8", "replace"))

    def _model(self) -> None:
        folder = self.run.path / "model"
        if not any(folder.glob("*.safetensors")):
            raise UserError(f"{self.run.path} holds no model: {folder} has no safetensors weights")
        for file in sorted(_files(folder)):
            path = file.relative_to(folder).as_posix()
            hidden = any(part.startswith(".") for part in Path(path).parts)
            if path == "README.md":  # the run's own card takes its place
                continue
            if hidden or not any(file.match(kind) for kind in WANTED):
                self.plan.left_out[f"model/{path}"] = "no file that a saved model needs"
            elif file.suffix == ".json" and not self._leads_out(file):
                self._add(path, file, self._without_places(file))
            else:
                self._add(path, file)
        if (folder / adapters.CONFIG).is_file():
            self._adapter()

    def _adapter(self) -> None:
        model = self.run.record["model"]
        self.plan.notes.append(
            f"the model is an adapter of {model['id']}, and is sent as one; `toolkit export RUN "
            "--merge` makes one plain model of the two"
        )
        if model["source"] == "folder":
            self.plan.notes.append(f"{model['id']} is a folder of this machine: others cannot "
                                   "load the adapter without it")  # fmt: skip

    def _without_places(self, file: Path) -> bytes | None:
        """Return a model's JSON without paths of this machine; None where it holds none."""
        text = _read(file)
        if not _PLACES.search(text):
            return None
        try:
            found = self._named_places(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file} is damaged: {error}") from None
        return (json.dumps(found, indent=2, ensure_ascii=False) + "\n").encode()

    def _named_places(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                key: self.clean.values(inner) if isinstance(inner, str) and _KEY.fullmatch(key)
                else self._named_places(inner) for key, inner in value.items()
            }  # fmt: skip
        return [self._named_places(inner) for inner in value] if isinstance(value, list) else value

    def _card(self, text: str) -> str:
        """Return README.md, which may have been edited: its words stay but for what is not sent."""
        from toolkit.reporting import card
        from toolkit.utils.text import printable

        record = self.run.record
        kept = card.body({**record, "slices": {}}, record.get("adapter")).splitlines()
        written = card.body(record, record.get("adapter")).splitlines()
        gone = set() if self.with_data else set(written) - set(kept)
        text = "\n".join(line for line in text.split("\n") if line not in gone)
        for part in ("card", "adapter"):
            usage = (record.get(part) or {}).get("usage")
            if usage:
                text = text.replace(printable(usage), printable(self._usage(usage)))
        return self.clean.text(text)

    def _figures(self) -> None:
        for path in (self.run.record.get("figures") or {}).values():
            file = self.run.path / "figures" / Path(path).name
            drawn = [file, file.with_suffix(".json")] if file.suffix == ".svg" else [file]
            for one in filter(Path.is_file, drawn):
                if file.suffix != ".svg" and not self.with_data:
                    self.plan.left_out[f"figures/{one.name}"] = f"a picture, which may {_bare()}"
                else:
                    self._add(f"figures/{one.name}", one)

    def _rows(self) -> None:
        file = self.run.path / "predictions.jsonl"
        for read in (file, self.run.path / examples.FILE, self.run.path / log_history.FILE):
            self._leads_out(read)  # the report is made from these
        if file.is_file() and self.with_data:
            self.plan.items.append(Item(file.name, file, file.name))
        elif file.is_file():
            self.plan.left_out[file.name] = f"one line a test row: {ROWS}"

    def _report(self) -> None:
        from toolkit.reporting import html

        try:
            page = html.published(self.run, self.record, self.recipe, self.with_data)
        except OSError as error:
            self.plan.left_out[html.FILE] = (
                f"written anew for publishing from predictions.jsonl, which cannot be read "
                f"({error.strerror or error})"
            )
            return
        how = "written anew" if self.with_data else "written anew, without single rows"
        content = page.encode("utf-8", "replace")
        self.plan.items.append(Item(html.FILE, content, html.FILE, how))

    def _others(self) -> None:
        sent = {item.source for item in self.plan.items}
        for entry in sorted(self.run.path.iterdir()):
            told = {*sent, *self.plan.left_out}
            if entry.name not in told and not any(t.startswith(f"{entry.name}/") for t in told):
                name = f"{entry.name}/" if entry.is_dir() else entry.name
                self.plan.left_out[name] = "no part of what is published"


def _bare() -> str:
    return ROWS.replace("shows", "show", 1)


def _recipe(run: Path) -> dict[str, Any]:
    file = run / "recipe.yaml"
    try:
        found = construct(_read(file))
    except yaml.YAMLError as error:
        raise UserError(f"{file} is damaged: {brief(error)}") from None
    if not isinstance(found, dict):
        raise UserError(f"{file} is damaged: it holds no keys of a recipe")
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is damaged: {error}") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from None


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())
