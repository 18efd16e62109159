"""Files of rows: csv, tsv, json, parquet, arrow, and what only looks like them."""

from __future__ import annotations

import datetime
import json
from typing import Any

from bad_inputs.case import (
    GOOD,
    Case,
    Content,
    arrow,
    fifo,
    folder,
    good_rows,
    jsonl,
    link,
    packed,
    parquet,
)


def rows(name: str, file: str, content: Content, place: str, *says: str, sets: tuple[str, ...] = (),
         apart: bool = False, beside: dict[str, Content] | None = None) -> Case:  # fmt: skip
    """Return a case of one file of rows, checked with a tiny model."""
    words = ["check", "text-classification", "--no-estimate", "--model", "{model}", "--data", file]
    for text in sets:
        words += ["--set", text]
    return Case(name, words, place, says, {file: content, **(beside or {})}, apart=apart)


def columns(**more: Any) -> dict[str, Any]:
    """Return the columns of good rows, with others in their place."""
    found = {key: [row[key] for row in good_rows()] for key in ("text", "label")}
    return {**found, **more}


def swapped(number: int, **values: Any) -> list[dict[str, Any]]:
    """Return good rows, one of them (from 1) with other values."""
    return [{**row, **values} if n == number else row for n, row in enumerate(good_rows(), 1)]


MEGABYTES = "word " * 2_000_000

CSV = [
    rows("empty", "a.csv", "", "a.csv", "is empty"),
    rows("blank lines", "a.csv", "\n\n\n", "a.csv", "is empty"),
    rows("a blank first line", "a.csv", "\n" + GOOD, "a.csv:1", "is an empty line"),
    rows("only a mark of utf-8", "a.csv", b"\xef\xbb\xbf", "a.csv", "is empty"),
    rows("a header alone", "a.csv", "text,label\n", "a.csv", "no rows below its header"),
    rows("no header", "a.csv", GOOD.partition("\n")[2], "options.text", "no column 'text'"),
    rows("utf-16", "a.csv", GOOD.encode("utf-16"), "a.csv:1", "is not utf-8 text",
         "data.encoding=utf-16"),
    rows("utf-16 without its mark", "a.csv", GOOD.encode("utf-16-le"), "a.csv:1", "utf-16-le"),
    rows("latin-1", "a.csv", (GOOD + "Zürich,tool\n").encode("latin-1"), "a.csv:42",
         "is not utf-8 text (byte 0xfc)"),
    rows("not what its encoding says", "a.csv", GOOD, "a.csv:1", "is not utf-16 text",
         sets=("data.encoding=utf-16",)),
    rows("NUL bytes", "a.csv", GOOD.replace("apple", "ap\0ple"), "a.csv:2", "NUL"),
    rows("nothing but NUL bytes", "a.csv", b"\0" * 4096, "a.csv:1", "NUL"),
    rows("a picture", "a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "a.csv:1",
         "is not utf-8 text"),
    rows("a workbook", "a.csv", b"PK\x03\x04\x14\0\x06\0\x08\0!\0" + b"\xb7\xd1" * 99, "a.csv:1",
         "is not utf-8 text"),
    rows("a web page", "a.csv", "<!doctype html>\n<html><body>404</body></html>\n", "options.text",
         "no column 'text'"),
    rows("columns in other letters", "a.csv", GOOD.replace("text,label", "Text,LABEL"),
         "options.text", "Did you mean 'Text'", "Did you mean 'LABEL'"),
    rows("spaces round names", "a.csv", GOOD.replace("text,label", "text, label"),
         "options.label", "Did you mean ' label'"),
    rows("a name twice", "a.csv", GOOD.replace("text,label", "text,text"), "options.label",
         "text_2"),
    rows("a name that breaks the terminal", "a.csv", GOOD.replace("text,", "\x1b[2Jtext,"),
         "options.text", "\\x1b[2Jtext"),
    rows("a name from right to left", "a.csv", GOOD.replace("text,", "\u202etxet,"),
         "options.text", "\\u202etxet"),
    rows("a name in markup", "a.csv", GOOD.replace("text,", "[bold red]text[/],"), "options.text",
         "[bold red]text[/]"),
    rows("a row too short", "a.csv", GOOD + "lonely\n", "a.csv row 42", "has 1 fields, the header"),
    rows("a row too long", "a.csv", GOOD + "a,b,c\n", "a.csv row 42", "has 3 fields"),
    rows("a thousand rows too long", "a.csv", GOOD + "a,b,c\n" * 1000, "a.csv row 42",
         "and 995 more such rows"),
    rows("a quote that never ends", "a.csv", GOOD + '"open,tool\n' + GOOD, "a.csv:42",
         "never ends", "data.quote=null"),
    rows("a quote that swallows rows", "a.csv", GOOD + '"open,tool\n' + 'x "y" z,fruit\n',
         "a.csv:42", "begins with a quote"),
    rows("another delimiter", "a.csv", GOOD.replace(",", "^"), "options.text",
         "no column 'text'"),
    rows("a delimiter that is not its own", "a.csv", GOOD, "options.text", "no column 'text'",
         sets=("data.delimiter=;",)),
    rows("one class", "a.csv", GOOD.replace("fruit", "tool"), "label", "one class only (tool)"),
    rows("no label", "a.csv", "text,label\na,\nb,\n", "train", "no row can be used"),
    rows("no text", "a.csv", "text,label\n,a\n ,b\n", "train", "no row can be used"),
    rows("labels that are texts", "a.csv", "text,label\n" + "".join(
        f"t{n},this is {n}\n" for n in range(99)), "label", "Is it the label"),
    rows("labels that stand once", "a.csv", "text,label\n" + "".join(
        f"t{n},l{n}\n" for n in range(20)), "data.split", "nothing is left" , sets=(
        "data.split.stratify=false", "data.split.test=15", "data.split.validation=15")),
    rows("two rows", "a.csv", "text,label\na,x\nb,y\n", "data.split"),
    rows("a missing label, where none may lack", "a.csv", GOOD + "x,\n", "train rows 41",
         "no label", sets=("data.on_missing=error",)),
    rows("several labels without a word of it", "a.csv", GOOD, "label", "single labels",
         sets=("options.multi_label=true",)),
    rows("a text of ten megabytes, and a row too short", "a.csv",
         f"text,label\n{MEGABYTES},fruit\nx\n", "a.csv row 3", "has 1 fields"),
    rows("dates that do not sort", "a.csv", "text,label,day\n" + "".join(
        f"t{n},{'ab'[n % 2]},{n + 1}/1/2024\n" for n in range(20)), "data.split.time",
        "write dates as 2024-12-31", sets=("data.split.time=day",)),
    rows("a group that lacks", "a.csv", GOOD, "data.split.group", "no column 'customer'",
         sets=("data.split.group=customer",)),
    rows("one group", "a.csv", "text,label,who\n" + "".join(
        f"t{n},{'ab'[n % 2]},me\n" for n in range(20)), "data.split", "leaves no row",
        sets=("data.split.group=who",)),
    rows("tabs that are none", "a.tsv", GOOD, "options.text", "no column 'text'"),
    rows("a tsv with one tab too many", "a.tsv", GOOD.replace(",", "\t") + "a\tb\tc\n",
         "a.tsv row 42", "has 3 fields"),
]  # fmt: skip

JSON = [
    rows("empty", "a.jsonl", "", "a.jsonl", "is empty"),
    rows("blank lines", "a.jsonl", "\n\n", "a.jsonl", "has no rows"),
    rows("an empty list", "a.json", "[]", "a.json", "has no rows"),
    rows("empty objects", "a.jsonl", "{}\n{}\n", "a.jsonl", ),
    rows("a number", "a.json", "5", "a.json:1", "a row is an object, not int"),
    rows("null", "a.json", "null", "a.json:1", "a row is an object, not null"),
    rows("a list of numbers", "a.json", "[1, 2, 3]", "a.json"),
    rows("one object of columns", "a.json", json.dumps(columns()), "a.json", "orient='records'"),
    rows("rows inside an object", "a.json", json.dumps({"data": good_rows()}), "a.json",
         "is one object (data)"),
    rows("half of it", "a.json", json.dumps(good_rows())[:-20], "a.json:1", "Unterminated"),
    rows("python's quotes", "a.jsonl", "{'text': 'a', 'label': 'b'}\n", "a.jsonl:1",
         "double quotes"),
    rows("a comma too many", "a.jsonl", '{"text": "a", "label": "b",}\n', "a.jsonl:1", ),
    rows("a comment", "a.json", '// rows\n[{"text": "a"}]', "a.json:1"),
    rows("a key twice", "a.jsonl", jsonl(good_rows()) + '{"text": "a", "text": "b"}\n',
         "a.jsonl:41", "duplicate key"),
    rows("half a surrogate", "a.jsonl", jsonl(good_rows()) + '{"text": "\\ud800", "label": "x"}\n',
         "a.jsonl:41", "surrogates"),
    rows("no text in its encoding", "a.jsonl", jsonl(good_rows()).encode() + b'{"text": "\xff"}\n',
         "a.jsonl:41", "is not utf-8 text"),
    rows("utf-16", "a.jsonl", jsonl(good_rows()).encode("utf-16"), "a.jsonl:1",
         "data.encoding=utf-16"),
    rows("a thousand brackets", "a.json", "[" * 100_000, "a.json", ),
    rows("nested too deeply in a row", "a.jsonl", jsonl(good_rows()) + '{"text": ' + "[" * 5000
         + "]" * 5000 + "}\n", "a.jsonl:41", ),
    rows("a number of 5,000 digits", "a.jsonl", jsonl(good_rows()) + '{"text": "a", "label": '
         + "9" * 5000 + "}\n", "a.jsonl", ),
    rows("a row that is a list", "a.jsonl", jsonl(good_rows()) + '["a", "b"]\n', "a.jsonl:41",
         "a row is an object, not list"),
    rows("texts that are objects", "a.jsonl", jsonl(
        [{**row, "text": {"de": row["text"]}} for row in good_rows()]), "text",
        "a text is expected"),
    rows("texts that are lists", "a.jsonl", jsonl(
        [{**row, "text": row["text"].split()} for row in good_rows()]), "text",
        "a text is expected"),
    rows("labels that are fractions", "a.jsonl", jsonl(
        [{**row, "label": n % 2 + 0.5} for n, row in enumerate(good_rows())]), "label",
        "5: a class is a text"),
    rows("labels that are objects", "a.jsonl", jsonl(
        [{**row, "label": {"name": row["label"]}} for row in good_rows()]), "label",
        "a class is a text"),
    rows("labels that are lists", "a.jsonl", jsonl(
        [{**row, "label": [row["label"]]} for row in good_rows()]), "label",
        "options.multi_label=true"),
    rows("lists of lists of labels", "a.jsonl", jsonl(
        [{**row, "label": [[row["label"]]]} for row in good_rows()]), "label",
        sets=("options.multi_label=true",)),
    rows("a text in one row, a list in another", "a.jsonl", jsonl(swapped(7, text=["a"])),
         "text: holds ['a']", "a text is expected"),
    rows("labels that are nothing", "a.jsonl", jsonl(
        [{**row, "label": None} for row in good_rows()]), "train", "no row can be used"),
    rows("names that differ in case", "a.jsonl", jsonl(
        [{"Text": row["text"], "Label": row["label"]} for row in good_rows()]), "options.text",
        "Did you mean 'Text'"),
    rows("a name that breaks the terminal", "a.jsonl", jsonl(
        [{"\x1b[31mtext": row["text"], "label": row["label"]} for row in good_rows()]),
        "options.text", "\\x1b[31mtext"),
]  # fmt: skip

DAY = datetime.date(2024, 1, 1)
BINARY = [
    rows("no parquet", "a.parquet", "text,label\n", "a.parquet", "cannot be read as parquet",
         apart=True),
    rows("half a parquet", "a.parquet", parquet(columns(), cut=-40), "a.parquet",
         "cannot be read as parquet"),
    rows("the first bytes of a parquet", "a.parquet", b"PAR1", "a.parquet",
         "cannot be read as parquet"),
    rows("a parquet without rows", "a.parquet", parquet(columns(text=[], label=[])), "a.parquet",
         "has no rows"),
    rows("a parquet without columns", "a.parquet", parquet({}), "a.parquet"),
    rows("a parquet damaged inside", "a.parquet", (lambda raw: raw[:4] + b"\xff" * 60 + raw[64:])(
        parquet(columns())), "a.parquet", ),
    rows("columns that are nested", "a.parquet", parquet(columns(text=[{"de": "x"}] * 40)), "text",
         "a text is expected"),
    rows("labels that are nested", "a.parquet", parquet(columns(label=[{"a": n % 2}
         for n in range(40)])), "label", "a class is a text"),
    rows("labels that are dates", "a.parquet", parquet(columns(label=[DAY] * 40)), "label",
         "a class is a text"),
    rows("labels that are bytes", "a.parquet", parquet(columns(label=[b"a", b"b"] * 20)), "label",
         "a class is a text"),
    rows("labels that are NaN", "a.parquet", parquet(columns(label=[float("nan")] * 40)), "train",
         "no row can be used"),
    rows("labels without an end", "a.parquet", parquet(columns(label=[float("inf")] * 40)),
         "label", "a class is a text"),
    rows("texts that are bytes", "a.parquet", parquet(columns(text=[b"\xff"] * 40)), "text",
         "a text is expected"),
    rows("texts that are nothing", "a.parquet", parquet(columns(text=[None] * 40)), "train",
         "no row can be used"),
    rows("no column of that name", "a.parquet", parquet({"message": ["x"], "team": ["y"]}),
         "options.text", "Columns found: message, team"),
    rows("no arrow", "a.arrow", "text,label\n", "a.arrow", "cannot be read as arrow"),
    rows("half an arrow", "a.arrow", arrow(columns(), cut=-200), "a.arrow",
         "cannot be read as arrow"),
    rows("an arrow without rows", "a.arrow", arrow(columns(text=[], label=[])), "a.arrow",
         "has no rows"),
    rows("half a gzip", "a.csv.gz", packed(GOOD * 99, cut=120), "a.csv.gz", "cannot be read"),
    rows("no gzip", "a.csv.gz", GOOD, "a.csv.gz", "cannot be read"),
    rows("a gzip with a wrong sum", "a.jsonl.gz", packed(jsonl(good_rows()))[:-8] + b"\0" * 8,
         "a.jsonl.gz", "cannot be read"),
    rows("a gzip of nothing", "a.csv.gz", packed(""), "a.csv.gz", "is empty"),
    rows("half a parquet in a gzip", "a.parquet.gz", packed(parquet(columns(), cut=-40)),
         "a.parquet.gz", "cannot be read as parquet"),
    rows("a parquet in half a gzip", "a.parquet.gz", packed(parquet(columns()), cut=90),
         "a.parquet.gz", "cannot be read"),
]  # fmt: skip

PLACES = [
    rows("a file with a typo", "things.csv", GOOD, "thing.csv", "Did you mean 'things.csv'",
         sets=("data.source=thing.csv",)),
    rows("a folder that is not there", "things.csv", GOOD, "nowhere/a.csv",
         "The folder", sets=("data.source=nowhere/a.csv",)),
    rows("a list with a folder", "things.csv", GOOD, "/sub", "is a folder",
         sets=("data.source=[things.csv, sub]",), beside={"sub": folder}),
    rows("an empty folder", "sub", folder, "/sub", "holds no"),
    rows("a folder without tables", "sub/notes.txt", "x", "/sub", "notes.txt",
         sets=("data.source=sub",)),
    rows("a folder without train", "sub/test.csv", GOOD, "/sub", "none for train",
         sets=("data.source=sub",)),
    rows("a folder in place of a file", "a.csv", folder, "a.csv", "holds no"),
    rows("a file of another kind", "a.xlsx", b"PK", "a.xlsx", "no table that can be read"),
    rows("a pickle", "a.pkl", b"\x80\x04.", "a.pkl", "no table that can be read"),
    rows("a script", "a.py", "raise SystemExit", "a.py", "no table that can be read"),
    rows("a pipe", "a.csv", fifo, "a.csv", "is no plain file", apart=True),
    rows("a device without an end", "a.csv", link("/dev/zero"), "a.csv", "is no plain file"),
    rows("a device without an end, for JSON", "a.jsonl", link("/dev/urandom"), "a.jsonl",
         "is no plain file"),
    rows("a link to nothing", "a.csv", link("gone.csv"), "a.csv", "link to gone.csv"),
    rows("a link to itself", "a.csv", link("a.csv"), "a.csv", "link"),
    rows("a name that is too long", "things.csv", GOOD, "xxxx", "no such file",
         sets=("data.source=" + "x" * 300 + ".csv",)),
    rows("a dataset of the Hub that is none", "things.csv", GOOD, "data.source",
         "write hub:owner/name", sets=("data.source=hub:a/b/c",)),
    rows("a dataset of the Hub without a network", "things.csv", GOOD, "hub:owner/rows",
         "Without a network", sets=("data.source=hub:owner/rows",)),
    rows("an address", "things.csv", GOOD, "https:", "no such file",
         sets=("data.source=https://example.com/rows.csv",)),
    rows("a source that no package brings", "things.csv", GOOD, "data.source",
         "there is no data source 'nothing'", sets=("data.source=plugin:nothing",)),
    rows("two files that differ", "a.csv", GOOD, "b.csv", "differs from a.csv in the columns label",
         sets=("data.source=[a.csv, b.csv]",), beside={"b.csv": "text\nx\n"}),
    rows("a split that lacks the label", "a.csv", GOOD, "options.label",
         "no column 'label' in test", sets=("data.source={train: a.csv, test: b.csv}",),
         beside={"b.csv": "text,lable\nx,y\n"}),
    rows("faults in two files", "a.csv", GOOD + "x\n", "a.csv row 42", "b.jsonl:1",
         sets=("data.source={train: a.csv, test: b.jsonl}",), beside={"b.jsonl": "{\n"}),
]  # fmt: skip

KINDS = {"csv": CSV, "json": JSON, "binary": BINARY, "places": PLACES}
CASES = [
    Case(f"{kind}: {case.name}", *list(vars(case).values())[1:])
    for kind, cases in KINDS.items()
    for case in cases
]
