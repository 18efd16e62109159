"""docs/explanations.md: its commands and its Python, as they stand there."""

from __future__ import annotations

import csv
import json
import re

from text_rows import csv_of, sentences
from walkthrough import ROOT, follow

PAGE = (ROOT / "docs" / "explanations.md").read_text(encoding="utf-8")
QUICK = ["--set", "training.num_train_epochs=10", "--set", "training.learning_rate=5e-3",
         "--set", "training.per_device_train_batch_size=8"]  # fmt: skip


def test_the_page_runs_as_it_stands_there(tmp_path, tiny_model, monkeypatch):
    (tmp_path / "tickets.csv").write_text(csv_of(sentences(160)))

    def added(arguments):
        return ["--model", str(tiny_model), *QUICK] if arguments[0] == "run" else []

    follow(PAGE, tmp_path, added=added)
    keys = set(re.findall(r"\| `(\w+)`", PAGE.partition("| key |")[2].partition("In csv")[0]))
    keys |= {"start", "end"}
    lines = (tmp_path / "explained.jsonl").read_text().splitlines()
    for line in map(json.loads, lines):
        assert len(line["explanation"]) == 3
        assert all(set(part) <= keys for part in line["explanation"])
    with (tmp_path / "explained.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert re.match(r"\w+: \S+ [+-]\d", row["explanation"])
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102 - our own page
    assert len(names["found"][0]["explanation"]) == 3
