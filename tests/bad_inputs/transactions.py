"""Tables of transactions that cannot be used, and wrong options of fraud detection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bad_inputs.case import Case, jsonl

Row = dict[str, Any]
COMMAND = ("check", "fraud-detection", "--no-estimate", "--data", "rows.jsonl")
USUAL = ("data.split.gap=1d", "options.label_delay=1d")


def good() -> list[Row]:
    """Return 20 days of 8 transactions; every fifth is a fraud."""
    return [
        {"time": f"2024-01-{n // 8 + 1:02d}T{n % 8 + 8:02d}:00:00", "customer": n % 7,
         "amount": 10.0 + n, "kind": "abc"[n % 3], "fraud": int(n % 5 == 0)}
        for n in range(160)
    ]  # fmt: skip


def table(name: str, change: Callable[[Row, int], Row | None], place: str, *says: str,
          sets: tuple[str, ...] = (), usual: tuple[str, ...] = USUAL) -> Case:  # fmt: skip
    """Return a case of good rows, each changed (or, by None, left out)."""
    rows = [row for n, old in enumerate(good()) if (row := change(old, n)) is not None]
    words = [*COMMAND, *(part for text in (*usual, *sets) for part in ("--set", text))]
    return Case(name, words, place, says, {"rows.jsonl": jsonl(rows)})


def cell(name: str, column: str, value: Any, place: str, *says: str, at: int = 3) -> Case:
    """Return a case of good rows with another value in one cell."""
    return table(name, lambda row, n: {**row, column: value} if n == at else row, place, *says)


def column(name: str, changed: str, values: Callable[[int], Any], place: str, *says: str,
           sets: tuple[str, ...] = ()) -> Case:  # fmt: skip
    """Return a case of good rows with other values in a column."""
    return table(name, lambda row, n: {**row, changed: values(n)}, place, *says, sets=sets)


def option(name: str, text: str, place: str, *says: str, **more: Any) -> Case:
    """Return a case of good rows and one wrong setting."""
    return table(name, lambda row, n: row, place, *says, sets=(text,), **more)


def without(*names: str) -> Callable[[Row, int], Row]:
    """Return the change that takes columns away."""
    return lambda row, n: {key: value for key, value in row.items() if key not in names}


def day(n: int, form: str = "{:02d}/01/2024") -> str:
    """Return the day of a row in another form."""
    return form.format(n // 8 + 1)


def csv(at: int, **cells: Any) -> str:
    """Return good rows as csv, other cells in one of them."""
    rows = [{**row, **cells} if n == at else row for n, row in enumerate(good())]
    return "\n".join([",".join(rows[0]), *(",".join(map(str, r.values())) for r in rows)]) + "\n"


SPLIT: Mapping[str, str] = {
    "train": "[2024-01-01, 2024-01-10]", "validation": "[2024-01-11, 2024-01-14]",
    "test": "[2024-01-15, 2024-01-21]",
}  # fmt: skip


def windows(**changed: str) -> str:
    """Return the setting of windows of time for splits, some of them changed."""
    return "data.split.windows={" + ", ".join(
        f"{name}: {span}" for name, span in {**SPLIT, **changed}.items() if span) + "}"  # fmt: skip


TIMES = [
    cell("one time that is none", "time", "yesterday", "time", "'yesterday'", "2024-12-31"),
    cell("one time that is empty", "time", "", "time", "1 rows"),
    cell("one time that is null", "time", None, "time", "1 rows"),
    cell("a 31st of February", "time", "2024-02-31T10:00:00", "time", "2024-02-31"),
    cell("hours beyond 24", "time", "2024-01-01T25:00:00", "time", "2024-01-01T25:00:00"),
    Case("one time with a zone", (*COMMAND[:-1], "rows.csv", *(p for t in USUAL for p in
         ("--set", t))), "time", ("1 times name a time zone, 159 do not",),
         {"rows.csv": csv(at=3, time="2024-01-01T10:00:00+02:00")}),
    cell("letters that break the terminal for a time", "time", "\x1b[2J", "time", "\\x1b[2J"),
    column("days and months in either order", "time", lambda n: f"03/{n // 20 + 1:02d}/2024",
           "time", "'03/01/2024', which may be 2024-01-03 or 2024-03-01", "options.day_first=",),
    column("days first here, months first there", "time",
           lambda n: f"{n // 8 + 1:02d}/01/2024" if n % 2 else f"01/{n // 8 + 1:02d}/2024",
           "time", "days come first in one, months in the other"),
    column("days first that are said not to be", "time", day, "time", "'13/01/2024'",
           sets=("options.day_first=false",)),
    column("no times at all", "time", lambda n: "soon", "time", "'soon'",
           sets=("options.time=time",)),
    column("times that are true or false", "time", lambda n: n % 2 == 0, "time"),
    column("times that are lists", "time", lambda n: [n], "time"),
    column("times beyond all calendars", "time", lambda n: 1e30 + n * 1e25, "time"),
    column("times in a form of numbers that is too large", "time", lambda n: 20240101000000 + n,
           "time"),
    column("times that are all the same", "time", lambda n: "2024-01-01T10:00:00",
           "time", "spans 0 s in all"),
    column("numbers that are no times", "time", lambda n: 20 + n % 50, "options.time",
           "'time' spans 49 s in all (numbers are seconds)", "leave options.time out",
           sets=("options.time=time",)),
    table("no time, and a gap", without("time"), "data.split.gap",
          "needs data.split.time=COLUMN", "leave it out"),
    table("no time, but one is named", without("time"), "data.split.time", "no column 'time'",
          sets=("data.split.time=time",)),
    option("a time with a typo", "data.split.time=tiem", "data.split.time",
           "Did you mean 'time'"),
    option("a column of time that is not there", "options.time=when", "options.time",
           "no column 'when'"),
]  # fmt: skip

AMOUNTS = [
    cell("one amount that is null", "amount", None, "amount rows 4", "no finite number"),
    cell("one amount that is NaN", "amount", float("nan"), "amount rows 4", "no finite number"),
    cell("one amount without an end", "amount", float("inf"), "amount rows 4", "no finite number"),
    column("one amount that is a text", "amount", lambda n: n + 0.5 if n != 3 else "10 EUR",
           "amount", sets=("options.amount=amount",)),
    cell("one amount beyond all money", "amount", 1e300, "amount"),
    column("amounts that are words", "amount", lambda n: "much", "amount", "'much': no amount",
           sets=("options.amount=amount",)),
    column("amounts of two currencies", "amount", lambda n: f"{n} {'EUR' if n % 2 else 'USD'}",
           "amount", "'0 USD' and '1 EUR'"),
    column("amounts with points and commas", "amount", lambda n: f"{n}{'.,'[n % 2]}50", "amount",
           "'0.50' and '1,50'", "decimal"),
    table("gaps in the amount without times",
          lambda row, n: {k: None if k == "amount" and not n % 5 else v
                          for k, v in row.items() if k != "time"},
          "amount", "no finite number", sets=("options.amount=amount",), usual=()),
    table("costs without an amount", without("time", "amount"), "report.metrics",
          "expected_cost weighs amounts", sets=("report.metrics=[expected_cost]",), usual=()),
    column("amounts that are lists", "amount", lambda n: [n], "amount",
           sets=("options.amount=amount",)),
    option("a column of amounts with a typo", "options.amount=amuont", "options.amount",
           "Did you mean 'amount'"),
]  # fmt: skip

LABELS = [
    column("one class alone", "fraud", lambda n: 0, "fraud", sets=("options.label=fraud",)),
    column("a train split of one class", "fraud", lambda n: int(n > 150), "train",
           "nothing to tell apart", sets=("options.label=fraud",)),
    column("three classes", "fraud", lambda n: n % 3, "options.label", "has 3 values",
           sets=("options.label=fraud",)),
    column("a class a row", "fraud", lambda n: n, "options.label", "160 values",
           sets=("options.label=fraud",)),
    column("labels that are lists", "fraud", lambda n: [n % 2], "fraud",
           sets=("options.label=fraud",)),
    column("labels that are empty", "fraud", lambda n: None, "fraud",
           sets=("options.label=fraud",)),
    table("no label", without("fraud"), "options.label", "looks like a label",
          "None has two values", "customer"),
    option("a label with a typo", "options.label=farud", "options.label", "Did you mean 'fraud'"),
    option("a value of fraud that is none", "options.fraud=yes", "options.fraud",
           "'fraud' has 0, 1"),
    option("labels that come too late", "options.label_delay=5d", "options.label_delay: 5d",
           "labels are not known when the test split begins"),
    option("labels that come after all rows", "options.label_delay=9999d", "options.label_delay",
           "labels are known 9999d after"),
    option("labels that come after all time", f"options.label_delay={'9' * 20}d",
           "options.label_delay"),
    option("a delay below zero", "options.label_delay=-3d", "options.label_delay",
           "a length of time such as 7d"),
    option("a delay of a week", "options.label_delay=a week", "options.label_delay",
           "a length of time such as 7d"),
    option("a delay without a unit", "options.label_delay=7", "options.label_delay",
           "a length of time such as 7d"),
    option("a delay of half a day", "options.label_delay=0.5d", "options.label_delay",
           "a length of time such as 7d"),
]  # fmt: skip

COLUMNS = [
    option("an entity that is not there", "options.entities=[card]", "options.entities.0",
           "no column 'card'", "customer"),
    option("an entity with a typo", "options.entities=[custmer]", "options.entities.0",
           "Did you mean 'customer'"),
    option("entities that are a text", "options.entities=customer", "options.entities", "list"),
    option("a column in two places", "options.entities=[kind, kind]", "options", "named twice"),
    option("an amount that is a kind, too", "options.categorical=[amount]", "options",
           "named twice", usual=(*USUAL, "options.amount=amount")),
    option("a label that is read", "options.numeric=[fraud]", "options",
           "named twice", usual=(*USUAL, "options.label=fraud")),
    column("entities that are lists", "customer", lambda n: [n % 7], "customer",
           sets=("options.entities=[customer]",)),
    option("numbers that are texts", "options.numeric=[kind]", "kind", "no number"),
    table("a table of one row", lambda row, n: row if not n else None, "options.label"),
    option("no window", "options.windows=[]", "options.windows", "at least 1"),
    option("a window in words", "options.windows=[a week]", "options.windows.0",
           "a length of time such as 7d"),
    option("a window below zero", "options.windows=[-1d]", "options.windows.0",
           "a length of time such as 7d"),
    option("a window of nothing", "options.windows=[0d]", "options.windows"),
    option("a window twice", "options.windows=[7d, 7d]", "options.windows", "7d"),
    option("a window beyond all time", f"options.windows=[{'9' * 20}d]", "options.windows"),
    option("an option with a typo", "options.entites=[customer]", "options.entites",
           "Did you mean 'entities'"),
    option("a loss with a typo", "options.loss=focl", "options.loss", "focal"),
    option("a weight below 0", "options.fraud_weight=-1", "options.fraud_weight", "above 0"),
    option("a weight in words", "options.fraud_weight=heavy", "options.fraud_weight"),
    option("no label for learning", "options.label_share=0", "options.label_share", "0"),
    option("a rate of false alarms of 1", "options.false_positive_rates=[1]",
           "options.false_positive_rates.0", "1"),
    option("smoothed labels of a loss that knows none", "training.label_smoothing_factor=0.1",
           "training.label_smoothing_factor", "focal",
           usual=(*USUAL, "options.loss=focal")),
    option("a metric with a typo", "report.metrics=[averge_precision]", "report.metrics",
           "Did you mean 'average_precision'"),
    option("a task with a typo", "options.task=detec", "options.task", "pretrain"),
    option("a model of pictures", "model={from_config: {model_type: vit}}",
           "(vit)", "Is it a model of texts?"),
    option("a head alone of nothing pretrained", "method=head", "method",
           "builds upon what is pretrained"),
]  # fmt: skip

SPLITS = [
    option("a window without rows", windows(test="[2025-01-01, 2025-02-01]"),
           "data.split.windows.test", "has no row", "2024-01-20"),
    option("a window that is no time", windows(test="[soon, later]"), "data.split.windows.test",
           "soon"),
    option("a window with its end first", windows(test="[2024-01-21, 2024-01-15]"),
           "data.split.windows.test"),
    option("a window of one date", windows(test="[2024-01-15]"), "data.split.windows.test"),
    option("windows that overlap", windows(test="[2024-01-08, 2024-01-21]"),
           "data.split.windows", "overlaps that of"),
    option("windows without train", windows(train=""), "data.split", "lacks one for train"),
    option("windows without test", windows(test=""), "data.split.windows", "lacks one for test"),
    option("a window with a typo", windows(test="", tets="[2024-01-15, 2024-01-21]"),
           "data.split.windows"),
    option("a gap that leaves nothing", "data.split.gap=100d", "data.split.gap",
           "leaves no row"),
    option("a gap in words", "data.split.gap=a week", "data.split.gap"),
    option("a gap beyond all time", f"data.split.gap={'9' * 25}d", "data.split.gap"),
]  # fmt: skip

SOURCES = [
    Case(name, ("check", "fraud-detection", "--no-estimate", "--data", source), place, says)
    for name, source, place, *says in (
        ("a simulation with a typo", "plugin:card-payment", "card-payment", "Did you mean"),
        ("a simulation of what it does not take", "plugin:card-payments?cutsomers=3",
         "cutsomers", "Did you mean 'customers'"),
        ("a simulation of nobody", "plugin:card-payments?customers=0", "at least 1"),
        ("a simulation of many in words", "plugin:card-payments?customers=many",
         "card-payments", "customers"),
        ("a simulation from no day", "plugin:card-payments?start=soon", "card-payments", "soon"),
        ("a simulation without values", "plugin:card-payments?customers", "card-payments",
         "key=value"),
    )
]  # fmt: skip

KINDS = {"time": TIMES, "amount": AMOUNTS, "label": LABELS, "column": COLUMNS, "split": SPLITS,
         "source": SOURCES}  # fmt: skip
CASES = [
    Case(f"{kind}: {case.name}", *list(vars(case).values())[1:])
    for kind, cases in KINDS.items()
    for case in cases
]
