"""Questions, contexts and answers that cannot be used, and wrong options of question answering."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bad_inputs.case import Case, fifo, jsonl, parquet
from qa_rows import questions

COMMAND = ("check", "question-answering", "--no-estimate", "--model", "{model}")
USUAL = ("data.split.group=null",)


def rows(name: str, change: Callable[[dict[str, Any], int], dict[str, Any]], place: str,
         *says: str, sets: tuple[str, ...] = (), apart: bool = False) -> Case:  # fmt: skip
    """Return a case of good rows, each changed."""
    found = [change(row, n) for n, row in enumerate(questions(40))]
    words = [*COMMAND, "--data", "a.jsonl"]
    words += [part for text in (*USUAL, *sets) for part in ("--set", text)]
    return Case(name, words, place, says, {"a.jsonl": jsonl(found)}, apart=apart)


def cells(name: str, column: str, values: Callable[[int], Any], place: str, *says: str,
          **more: Any) -> Case:  # fmt: skip
    """Return a case of good rows with other values in a column."""
    return rows(name, lambda row, n: {**row, column: values(n)}, place, *says, **more)


def option(name: str, text: str, place: str, *says: str) -> Case:
    """Return a case of good rows and one wrong setting."""
    return rows(name, lambda row, n: row, place, *says, sets=(text,))


def without(*names: str) -> Callable[[dict[str, Any], int], dict[str, Any]]:
    """Return the change that takes columns away."""
    return lambda row, n: {key: value for key, value in row.items() if key not in names}


def squad(name: str, content: Any, place: str, *says: str) -> Case:
    """Return a case of a file of SQuAD's layout."""
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    words = (*COMMAND, "--data", "plugin:squad?train={here}/s.json")
    return Case(name, words, place, says, {"s.json": text})


ROWS = [
    rows("no question", without("question"), "options.question", "no column 'question'",
         "context, answers"),
    rows("no context", without("context"), "options.context", "no column 'context'"),
    rows("no answers", without("answers"), "options.answers", "no column 'answers'"),
    rows("nothing of it", lambda row, n: {"text": "x", "label": n % 2}, "options.question",
         "Columns found: text, label"),
    cells("contexts that are lists", "context", lambda n: ["a", "b"], "context",
          "a text is expected"),
    cells("contexts that are objects", "context", lambda n: {"de": "x"}, "context",
          "a text is expected"),
    cells("questions that are lists", "question", lambda n: ["a"], "question",
          "a text is expected"),
    cells("contexts that are empty", "context", lambda n: "", "options.context",
          "answers of train occurs in its context"),
    cells("contexts of others", "context", lambda n: f"nothing {n}", "options.context",
          "answers of train occurs in its context"),
    cells("answers without their texts", "answers", lambda n: {"start": [1]}, "answers",
          "an answer is a text"),
    cells("more places than answers", "answers",
          lambda n: {"text": ["red"], "answer_start": [1, 2]}, "answers", "an answer is a text"),
    cells("places that are texts", "answers",
          lambda n: {"text": ["red"], "answer_start": ["first"]}, "answers", "'first'",
          "a whole number is expected"),
    cells("places between letters", "answers",
          lambda n: {"text": ["red"], "answer_start": [1.5]}, "answers", "1.5"),
    cells("answers that are written out", "answers",
          lambda n: "{'text': ['red'], 'answer_start': [3]}", "answers", "an answer is a text"),
    cells("answers of lists of lists", "answers",
          lambda n: {"text": [["red"]], "answer_start": [3]}, "answers", "an answer is a text"),
    cells("answers that break the terminal", "answers", lambda n: {"\x1b[31m": [1]}, "answers",
          "\\x1b[31m"),
    Case("answers that are bytes", (*COMMAND, "--data", "a.parquet", "--set", USUAL[0]), "answers",
         ("an answer is a text",), {"a.parquet": parquet({
             "question": ["what ?"] * 40, "context": [f"the cup {n}" for n in range(40)],
             "answers": [b"\xff"] * 40})}),
    option("a column with a typo", "options.context=contxt", "options.context",
           "Did you mean 'context'"),
    option("answers that are the context", "options.answers=context", "options.context",
           "as is options.answers"),
    option("a group that is not there", "data.split.group=title", "data.split.group",
           "no column 'title'"),
]  # fmt: skip

OPTIONS = [
    option("an option with a typo", "options.max_lenght=100", "options.max_lenght",
           "Did you mean 'max_length'"),
    option("a stride with a typo", "options.stride=9", "options.stride", "doc_stride"),
    option("windows of four tokens", "options.max_length=4", "options.max_length", "16"),
    option("a stride below zero", "options.doc_stride=-1", "options.doc_stride", "0"),
    option("a stride in words", "options.doc_stride=half", "options.doc_stride", "integer"),
    option("no token of a question", "options.max_question_length=0",
           "options.max_question_length", "1"),
    option("no token of an answer", "options.max_answer_length=0", "options.max_answer_length",
           "1"),
    option("no answer to give", "options.n_best=0", "options.n_best", "1"),
    option("answers without an end", "options.n_best=100000", "options.n_best", "100"),
    option("a threshold above 1", "options.no_answer_threshold=2", "options.no_answer_threshold",
           "1"),
    option("a metric with a typo", "report.metrics=[exact_mach]", "report.metrics",
           "Did you mean 'exact_match'"),
    option("a metric of another scenario", "report.metrics=[accuracy]", "report.metrics",
           "no metric 'accuracy'"),
    option("labels balanced by what is none", "data.split.stratify=yes please",
           "data.split.stratify", "bool"),
    option("a model of pictures", "model={from_config: {model_type: vit}}", "(vit)",
           "Is it a model of texts?"),
]  # fmt: skip

SQUAD = [
    squad("no JSON", "{", "s.json:1", "is no JSON"),
    squad("an empty file", "", "s.json", "is no JSON"),
    squad("no UTF-8", b"\xff\xfe", "s.json", "is not UTF-8 text"),
    squad("a list", [], "s.json", "is not laid out as SQuAD's files are"),
    squad("no data", {"version": "v2.0"}, "s.json", "is not laid out as SQuAD's files are"),
    squad("data that is null", {"data": None}, "s.json", "is not laid out as SQuAD's files are"),
    squad("no articles", {"data": []}, "s.json", "holds no questions"),
    squad("a question without its text", {"data": [{"paragraphs": [{"context": "a", "qas": [
        {"id": "1"}]}]}]}, "s.json", "question"),
    squad("an answer without its place", {"data": [{"paragraphs": [{"context": "a", "qas": [
        {"question": "q", "answers": [{"text": "a"}]}]}]}]}, "s.json", "answer_start"),
    squad("a context that is a list", {"data": [{"paragraphs": [{"context": ["a"], "qas": [
        {"question": "q"}]}]}]}, "s.json", "context is no text but ['a']"),
    squad("brackets without an end", "[" * 100_000, "s.json"),
    Case("no such file", (*COMMAND, "--data", "plugin:squad?train=gone.json"), "gone.json",
         ("No such file",)),
    Case("a pipe", (*COMMAND, "--data", "plugin:squad?train={here}/p"), "/p", ("no plain file",),
         {"p": fifo}),
    Case("a device without an end", (*COMMAND, "--data", "plugin:squad?train=/dev/zero"),
         "/dev/zero", ("no plain file",)),
    Case("no train", (*COMMAND, "--data", "plugin:squad"), "plugin:squad", ("train",)),
    Case("a split with a typo", (*COMMAND, "--data", "plugin:squad?train=a&tets=b"), "tets",
         ("Did you mean 'test'",)),
]  # fmt: skip

KINDS = {"row": ROWS, "option": OPTIONS, "squad": SQUAD}
CASES = [
    Case(f"{kind}: {case.name}", *list(vars(case).values())[1:])
    for kind, cases in KINDS.items()
    for case in cases
]
