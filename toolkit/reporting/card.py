"""The model card: README.md with its metrics in the Hub's metadata format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from toolkit.reporting.card_limits import limits
from toolkit.reporting.terminal import SPLITS, baseline_name, facts, with_interval
from toolkit.utils.text import listing, printable, printable_line

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

    from toolkit.runs.writer import RunWriter


def write(folder: RunWriter) -> None:
    """Write README.md of a run beside the model's folder, and the same into it."""
    text = card(folder.record)
    (folder.path / "README.md").write_text(text, encoding="utf-8")
    (folder.path / "model" / "README.md").write_text(text, encoding="utf-8")


def card(record: Mapping[str, Any], merged: bool = False) -> str:
    """Return the card of a run as Markdown with YAML metadata.

    Args:
        merged: of a run with adapters, describe the model that they have been merged into.
    """
    adapter = None if merged else record.get("adapter")
    return f"---\n{metadata(record, bool(adapter)).to_yaml()}\n---\n\n{body(record, adapter)}\n"


def body(record: Mapping[str, Any], adapter: Mapping[str, Any] | None) -> str:
    """Return the card without its metadata; `adapter` as run.json has it."""
    return "\n".join(_body(record, adapter))


def metadata(record: Mapping[str, Any], adapter: bool) -> ModelCardData:
    """Return the card's metadata as the Hub defines it.

    What is not known is left out, but for the licence, which is "unknown" then. A model from a
    folder has no id on the Hub, and data that is not of the Hub none there.
    """
    from huggingface_hub import ModelCardData

    model, base = record["model"], (record.get("card") or {}).get("base", {})
    known: dict[str, Any] = {}
    if model["source"] in ("cache", "hub", "mirror"):
        known = {"base_model": printable_line(model["id"]),
                 "base_model_relation": "adapter" if adapter else "finetune"}  # fmt: skip
    data = _of_the_hub(record)
    method = (record.get("method") or {}).get("name")
    return ModelCardData(
        license=base.get("license", "unknown"),
        license_name=base.get("license_name"),
        license_link=base.get("license_link"),
        language=base.get("languages"),
        library_name="peft" if adapter else "transformers",
        pipeline_tag=record["scenario"] if record["scenario"] in _tasks() else None,
        datasets=[data["dataset_type"]] if data else None,
        metrics=[printable_line(name) for name in record["metrics"]["test"]],
        model_name=printable_line(record["recipe"]),
        eval_results=list(_results(record, data)) or None,
        tags=["toolkit", record["scenario"], *([method] if method else [])],
        **known,
    )


def _tasks() -> set[str]:
    """Return the tasks that transformers knows by the names that the Hub has for them."""
    from transformers.modelcard import TASK_TAG_TO_NAME_MAPPING
    from transformers.pipelines import PIPELINE_REGISTRY

    return {*PIPELINE_REGISTRY.get_supported_tasks(), *TASK_TAG_TO_NAME_MAPPING}


def _of_the_hub(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return id, config and revision of data that comes from the Hub; {} of any other."""
    from toolkit.data.hub import PATTERN

    source = record["data"].get("source")
    found = PATTERN.fullmatch(source) if isinstance(source, str) else None
    if found is None:
        return {}
    keys = {"name": "dataset_type", "config": "dataset_config", "rev": "dataset_revision"}
    return {keys[k]: printable_line(v) for k, v in found.groupdict().items() if v is not None}


def _results(record: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[Any]:
    from huggingface_hub import EvalResult

    for name, score in record["metrics"]["test"].items():
        if score["value"] is None or score["value"] != score["value"]:
            continue
        low, high = score.get("low"), score.get("high")
        between = "" if low is None or high is None else f" (95% interval {low:.3f} to {high:.3f})"
        yield EvalResult(
            task_type=record["scenario"],
            metric_type=printable_line(name),
            metric_value=round(score["value"], 6),
            metric_name=f"{printable_line(name)}{between}",
            dataset_split="test",
            **{
                "dataset_type": "local",
                "dataset_name": data.get("dataset_type", printable_line(record["recipe"])),
                **data,
            },
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
    yield from _use(record)
    yield from _loading(record, adapter)
    yield "## What it is worth\n"
    yield "Scores with their 95% bootstrap intervals over rows; baselines are what it has to beat.\n"
    yield "| | " + " | ".join(map(plain_markdown, names)) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for split, words in SPLITS.items():
        if split in record["metrics"]:
            yield _row(words, record["metrics"][split])
    for baseline, scores in record["baselines"].items():
        yield _row(baseline_name(record, baseline), scores)
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
    yield "- repeat it: `toolkit run recipe.yaml` in the run's folder (or `toolkit rerun RUN`)"
    found = list(limits(record))
    if found:
        yield "\n## To know before using it\n"
        yield from (f"- {plain_markdown(line)}" for line in found)
    yield from _licences(record)


def _use(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model is for: rows like those that it was tested on, and no others."""
    facts = record.get("card") or {}
    if not facts.get("inputs"):
        return
    inputs = ", ".join(map(_code, facts["inputs"]))
    targets = ", ".join(map(_code, facts["targets"]))
    says = f" it says {targets}" if targets else " it predicts"
    yield f"## What it is for\n\nOf {inputs}{says}, for rows like those of its test split."
    classes = sorted(facts.get("classes", {}))
    if classes:
        yield f"Its classes: {plain_markdown(listing(classes, 20))}; it knows no other answer."
    yield "Of rows from elsewhere, or of another time, the scores below say nothing.\n"


def _loading(record: Mapping[str, Any], adapter: Mapping[str, Any] | None) -> Iterator[str]:
    usage = adapter["usage"] if adapter else (record.get("card") or {}).get("usage")
    if not usage:
        return
    yield "## How to load it\n"
    if adapter:
        yield "This is an adapter and its head; loaded together with the model it stands on by\n"
    yield f"```python\n{printable(usage)}\n```\n"
    yield "With toolkit: `toolkit.load_run(RUN).predict(rows)`.\n"
    if adapter:
        yield "`toolkit export RUN --merge` makes one plain model of the two.\n"
        if adapter["note"]:
            yield f"{adapter['note']}\n"


def _licences(record: Mapping[str, Any]) -> Iterator[str]:
    facts, model = (record.get("card") or {}), record["model"]
    base = facts.get("base", {})
    licence = base.get("license_name") or base.get("license")
    yield "\n## Licences\n"
    if model["source"] != "config":
        said = f"{plain_markdown(licence)}, by its card" if licence else "unknown: no card says it"
        yield f"- the model that this one was made from: {said}"
    data = facts.get("data_license")
    said = (
        f"{plain_markdown(data)}, as its source says" if data else "unknown: its source is silent"
    )
    yield f"- the data that it was trained on: {said}"


def _row(name: str, scores: Mapping[str, Any]) -> str:
    return f"| {plain_markdown(name)} | " + " | ".join(map(with_interval, scores.values())) + " |"


def plain_markdown(text: str) -> str:
    """Return data's text so that Markdown and HTML in it stay text, in one line."""
    return re.sub(r"[\\`*_~\[\]|#]", r"\\\g<0>", escape(printable_line(text), quote=False))


def _code(text: str) -> str:
    """Return a name in the typeface of code, where it holds nothing that any reader might obey."""
    return plain_markdown(text) if set("`<|") & set(text) else f"`{printable_line(text)}`"
