"""How did training go: loss, score, learning rate, throughput; what it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from toolkit.reporting import charts
from toolkit.reporting.html.parts import Chart, Section, Table, line_chart, number, share, words
from toolkit.reporting.terminal import duration

History = Sequence[Mapping[str, Any]]
SMOOTHED = 10  # log lines over which throughput is told, at most


def section(record: Mapping[str, Any], history: History) -> Section:
    """Return the section. history: the Trainer's log, see `toolkit.training.log_history`."""
    found = Section("training", "How did training go?")
    speed = record["speed"]
    found.answer.append(_in_words(record))
    found.answer += _course(record, history)
    if not history:
        found.answer.append("No log of single steps was kept.")
    found.blocks += _charts(record, history)
    found.blocks.append(_time(speed))
    found.blocks.append(Table("What it took", ["", "amount"], list(_amounts(record))))
    return found


def _in_words(record: Mapping[str, Any]) -> str:
    speed, method = record["speed"], record.get("method", {}).get("name", "")
    said = f"The run took {duration(speed['total_seconds'])}, of which training took "
    said += duration(speed["phases"]["train"])
    if "parameters" in record:
        count = record["parameters"]
        said += f" for {count['trained']:,} of {count['all']:,} parameters"
    return said + (f" (method {method})." if method else ".")


def _course(record: Mapping[str, Any], history: History) -> Iterator[str]:
    """Yield whether validation was still getting better at the end."""
    best = _best(record, _evaluations(record, history))
    if best is None:
        return
    name, steps, place = best
    at = f"The best {name} on validation came after step {steps[place]:,}"
    if place == len(steps) - 1 and len(steps) > 1:
        yield f"{at}, the last: longer training may give more."
    elif len(steps) > 1:
        yield f"{at} of {steps[-1]:,}."


def _evaluations(record: Mapping[str, Any], history: History) -> list[tuple[int, float]]:
    headline = record.get("headline")
    key = f"eval_{headline['metric']}" if headline else "eval_loss"
    return _line(history, key)


def _best(
    record: Mapping[str, Any], points: list[tuple[int, float]]
) -> tuple[str, list[int], int] | None:
    if not points:
        return None
    headline = record.get("headline")
    more = bool(headline and headline["greater_is_better"])
    values = [value for _, value in points]
    place = values.index(max(values) if more else min(values))
    name = words(headline["metric"]) if headline else "loss"
    return name, [step for step, _ in points], place


def _line(history: History, key: str) -> list[tuple[int, float]]:
    """Return (step, value) of the log lines that hold a finite number of that name."""
    found = []
    for line in history:
        value, step = line.get(key), line.get("step")
        if isinstance(value, int | float) and value - value == 0 and isinstance(step, int | float):
            found.append((int(step), float(value)))
    return found


def _charts(record: Mapping[str, Any], history: History) -> Iterator[Chart]:
    losses = {"training": _line(history, "loss"), "validation": _line(history, "eval_loss")}
    losses = {name: points for name, points in losses.items() if points}
    if losses:
        yield line_chart("loss", "Loss", losses, "step", "loss")
    headline, scores = record.get("headline"), _evaluations(record, history)
    if headline and scores:
        name = words(headline["metric"])
        best = _best(record, scores)
        marks = {"best": scores[best[2]]} if best else {}
        yield line_chart("validation score", f"{name} on validation", {"validation": scores},
                         "step", name, marks)  # fmt: skip
    rates = _line(history, "learning_rate")
    if rates:
        yield line_chart("learning rate", "Learning rate", {"learning rate": rates}, "step", "rate")
    speeds = _throughput(record, history)
    if speeds:
        yield line_chart(
            "throughput", "Throughput", {"training": speeds}, "step", "rows per second"
        )


def _throughput(record: Mapping[str, Any], history: History) -> list[charts.Point]:
    """Return rows per second between log lines; validation in between is not counted.

    What stands between a line of validation and the line before it is validation's time.
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
    step = max(1, min(SMOOTHED, len(times) // 8))
    kept = times[::step]
    return [(b[0], rows * (b[0] - a[0]) / (b[1] - a[1])) for a, b in pairwise(kept) if b[1] > a[1]]


def _time(speed: Mapping[str, Any]) -> Table:
    total = speed["total_seconds"]
    phases = dict(speed["phases"])
    rest = total - sum(phases.values())
    rows = [[words(name), f"{seconds:.1f} s", share(seconds, total)]
            for name, seconds in [*phases.items(), ("rest", max(rest, 0.0))]]  # fmt: skip
    return Table("Where the time went", ["phase", "seconds", "share"],
                 [*rows, ["together", f"{total:.1f} s", "100%"]])  # fmt: skip


def _amounts(record: Mapping[str, Any]) -> Iterator[list[str]]:
    speed, resources = record["speed"], record.get("resources") or {}
    yield ["rows per second in training", number(speed["train_samples_per_second"], 1)]
    for key in ("epochs", "steps", "rows_seen", "tokens_seen"):
        value = speed.get(key)
        if value is not None:
            yield [words(key), number(value, 2)]
    tokens, seconds = speed.get("tokens_seen"), speed["phases"]["train"]
    if tokens and seconds:
        yield ["tokens per second in training", number(tokens / seconds, 0)]
    for part, size in resources.get("peak_memory_bytes", {}).items():
        yield [f"memory of the {part} at its peak", f"{size / 2**30:.2f} GiB"]
    for part, joules in resources.get("energy_joules", {}).items():
        said = f"{joules / 3600:.2f} Wh (all that the machine did meanwhile)"
        yield [f"energy of {part}", said]
