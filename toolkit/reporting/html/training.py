"""How did training go: loss, score, learning rate, throughput, time and resources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from toolkit.reporting import charts
from toolkit.reporting.formatting import duration, number, sentence, share, words
from toolkit.reporting.html.parts import Section, Table, line_chart

History = Sequence[Mapping[str, Any]]
SMOOTHED = 10  # log lines over which throughput is averaged, at most


def section(record: Mapping[str, Any], history: History) -> Section:
    """Return the section. history: the Trainer's log, see `toolkit.training.log_history`."""
    found = Section("training", "How did training go?", [_duration(record)])
    headline = record.get("headline") or {"metric": "loss", "greater_is_better": False}
    name, scores = words(headline["metric"]), _line(history, f"eval_{headline['metric']}")
    best = max if headline["greater_is_better"] else min
    marks = {"best": best(scores, key=lambda point: point[1])} if scores else {}
    if len(scores) > 1:
        step, last = marks["best"][0], scores[-1][0]
        rest = ", the last: longer training may give more." if step == last else f" of {last:,}."
        found.answer.append(f"The best {name} on validation came after step {step:,}{rest}")
    if note := (record.get("training_way") or {}).get("note"):
        found.answer.append(sentence(f"{note}."))
    if not history:
        found.answer.append("No log of single steps was kept.")
    losses = {"training": _line(history, "loss"), "validation": _line(history, "eval_loss")}
    shown = scores if record.get("headline") else []
    for title, lines, y, marked in (
        ("Loss", losses, "loss", {}),
        (f"{name} on validation", {"validation": shown}, name, marks),
        ("Learning rate", {"learning rate": _line(history, "learning_rate")}, "rate", {}),
        ("Throughput", {"training": _throughput(record, history)}, "rows per second", {}),
    ):
        if drawn := {line: points for line, points in lines.items() if points}:
            found.blocks.append(line_chart(title, title, drawn, "step", y, marked))
    found.blocks.append(_time(record["speed"]))
    found.blocks.append(Table("Throughput and resources", ["", "amount"], list(_amounts(record))))
    return found


def _duration(record: Mapping[str, Any]) -> str:
    speed, method = record["speed"], record.get("method", {}).get("name", "")
    text = f"The run took {duration(speed['total_seconds'])}, of which training took "
    text += duration(speed["phases"]["train"])
    if "parameters" in record:
        count = record["parameters"]
        text += f" for {count['trained']:,} of {count['all']:,} parameters"
    return text + (f" (method {method})." if method else ".")


def _line(history: History, key: str) -> list[charts.Point]:
    """Return (step, value) of the log lines that hold a finite number of that name."""
    found: list[charts.Point] = []
    for line in history:
        value, step = line.get(key), line.get("step")
        if isinstance(value, int | float) and value - value == 0 and isinstance(step, int | float):
            found.append((int(step), float(value)))
    return found


def _throughput(record: Mapping[str, Any], history: History) -> list[charts.Point]:
    """Return rows per second between log lines; validation in between is not counted.

    The time between a line of validation and the line before it is that of validation.
    """
    rows = record["devices"]["batch"]["rows_per_step"]
    times: list[tuple[int, float]] = []
    away = last = 0.0
    for line in history:
        seconds = line.get("seconds")
        if not isinstance(seconds, int | float) or not isinstance(line.get("step"), int):
            return []
        if any(key.startswith("eval_") for key in line):
            away += seconds - last
        elif "loss" in line:
            times.append((int(line["step"]), seconds - away))
        last = seconds
    kept = times[:: max(1, min(SMOOTHED, len(times) // 8))]
    return [(b[0], rows * (b[0] - a[0]) / (b[1] - a[1])) for a, b in pairwise(kept) if b[1] > a[1]]


def _time(speed: Mapping[str, Any]) -> Table:
    total, phases = speed["total_seconds"], dict(speed["phases"])
    phases["rest"] = max(total - sum(phases.values()), 0.0)
    rows = [[words(name), f"{seconds:.1f} s", share(seconds, total)]
            for name, seconds in [*phases.items(), ("total", total)]]  # fmt: skip
    return Table("Where the time went", ["phase", "seconds", "share"], rows)


def _amounts(record: Mapping[str, Any]) -> Iterator[list[str]]:
    speed, resources = record["speed"], record.get("resources") or {}
    yield ["rows per second in training", number(speed["train_samples_per_second"], 1)]
    for key in ("epochs", "steps", "rows_seen", "tokens_seen"):
        if speed.get(key) is not None:
            yield [words(key), number(speed[key], 2)]
    tokens, seconds = speed.get("tokens_seen"), speed["phases"]["train"]
    if tokens and seconds:
        yield ["tokens per second in training", number(tokens / seconds, 0)]
    for part, size in resources.get("peak_memory_bytes", {}).items():
        yield [f"peak memory of the {words(part)}", f"{size / 2**30:.2f} GiB"]
    if resources.get("mfu") is not None:
        of = f"{resources['matrix_peak_flops'] / 1e12:,.0f} TFLOP/s"
        yield ["share of the matrix peak used in training (MFU)", f"{resources['mfu']:.1%} of {of}"]
    for part, joules in resources.get("energy_joules", {}).items():
        yield [f"energy of {part}", f"{joules / 3600:.2f} Wh (the whole machine during the run)"]
