"""The model card: README.md with its metrics in the Hub's metadata format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from toolkit import shown
from toolkit.reporting.terminal import SPLITS, facts, floor_name, warnings, with_interval

if TYPE_CHECKING:
    from toolkit.runs import RunFolder


def write(folder: RunFolder) -> None:
    """Write README.md of a run beside the model's folder, and the same into it."""
    text = card(folder.record)
    (folder.path / "README.md").write_text(text, encoding="utf-8")
    (folder.path / "model" / "README.md").write_text(text, encoding="utf-8")


def card(record: Mapping[str, Any], merged: bool = False) -> str:
    """Return the card of a run as Markdown with YAML metadata.

    Args:
        merged: of a run with adapters, describe the model that they have been merged into.
    """
    from huggingface_hub import ModelCardData

    adapter = None if merged else record.get("adapter")
    scratch = record["model"]["source"] == "config"
    data = ModelCardData(
        library_name="peft" if adapter else "transformers",
        pipeline_tag=record["scenario"],
        base_model=None if scratch else shown.line(record["model"]["id"]),
        model_name=shown.line(record["recipe"]),
        eval_results=list(_results(record)),
        tags=["toolkit", record["scenario"]],
    )
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n".join(_body(record, adapter)) + "\n"


def _results(record: Mapping[str, Any]) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    for name, score in record["metrics"]["test"].items():
        if score["value"] == score["value"]:
            yield EvalResult(
                task_type=record["scenario"],
                dataset_type="local",
                dataset_name=shown.line(record["recipe"]),
                dataset_split="test",
                metric_type=name,
                metric_value=round(score["value"], 6),
                metric_name=name,
            )


def _body(record: Mapping[str, Any], adapter: Mapping[str, Any] | None) -> Iterator[str]:
    model, names = record["model"], list(record["metrics"]["test"])
    scenario = plain_markdown(record["scenario"])
    yield f"# {plain_markdown(record['recipe'])}\n"
    if model["source"] == "config":
        kind = model["id"].removesuffix(" from scratch")
        yield f"A {_code(kind)} trained from scratch for {scenario}: nothing pretrained.\n"
    else:
        revision = plain_markdown(model["revision"])
        yield f"{_code(model['id'])} ({revision}) fine-tuned for {scenario}.\n"
    if adapter:
        yield "This is an adapter and its head; loaded together with the model it stands on by\n"
        yield f"```python\n{shown.plain(adapter['usage'])}\n```\n"
        yield "`toolkit export RUN --merge` makes one plain model of the two.\n"
        if adapter["note"]:
            yield f"{adapter['note']}\n"
    yield "## What it is worth\n"
    yield "Scores with their 95% bootstrap intervals over rows; floors are what it has to beat.\n"
    yield "| | " + " | ".join(map(plain_markdown, names)) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for split, words in SPLITS.items():
        if split in record["metrics"]:
            yield _row(words, record["metrics"][split])
    for floor, scores in record["floors"].items():
        yield _row(floor_name(record, floor), scores)
    for column, values in record["slices"].items():
        for value, scores in values.items():
            rows = f"{column} = {value} ({scores['rows']} rows)"
            yield _row(rows, {name: scores[name] for name in names})
    yield "\n## How it came about\n"
    for line in facts(record):
        yield f"- {plain_markdown(line)}"
    packages = record["environment"]["packages"]
    yield f"- seed {record['seed']}; " + ", ".join(
        f"{name} {packages[name]}" for name in ("toolkit", "torch", "transformers")
    )
    found = list(warnings(record))
    if found:
        yield "\n## To know before using it\n"
        yield from (f"- {plain_markdown(line)}" for line in found)
    yield "\nThe whole recipe is `recipe.yaml` in the run's folder: `toolkit run recipe.yaml`."


def _row(name: str, scores: Mapping[str, Any]) -> str:
    return f"| {plain_markdown(name)} | " + " | ".join(map(with_interval, scores.values())) + " |"


def plain_markdown(text: str) -> str:
    """Return data's text so that Markdown and HTML in it stay text, in one line."""
    return re.sub(r"[\\`*_~\[\]|#]", r"\\\g<0>", escape(shown.line(text), quote=False))


def _code(text: str) -> str:
    """Return a name in the typeface of code, where it holds nothing that would end that."""
    return plain_markdown(text) if "`" in text else f"`{shown.line(text)}`"
