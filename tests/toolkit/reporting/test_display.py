"""A run as notebooks show it: names of others are escaped, and a score has its baseline."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hostile import COLUMN, LABEL, NAME, OBEYED
from report_folders import SCORE, classified, folder

from toolkit.reporting.display import headline
from toolkit.reporting.formatting import number
from toolkit.runs.writer import RunWriter


class Shown(HTMLParser):
    """The elements of a page, its text and where its links lead."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self.links = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.texts.append(data)


def test_a_run_shows_its_status_score_baseline_rows_and_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = folder(tmp_path / "my runs" / "a#b", classified(["a", "b"], 20))
    (run.path / "report.html").write_text("")
    found = Shown(run._repr_html_())
    cells = dict(zip(found.texts[::2], found.texts[1::2], strict=True))
    assert cells == {
        "run": "things", "status": "finished", "rows": "train 10, validation 5, test 20",
        "test score, 95% interval": "accuracy 0.800 [0.700, 0.900]; best baseline: majority 0.500",
        "report": str(run.report),
    }  # fmt: skip
    assert [unquote(link) for link in found.links] == ["my runs/a#b/report.html"]
    assert "%23" in found.links[0]
    monkeypatch.chdir(run.path / "logs")
    assert Shown(run._repr_html_()).links[0].startswith("file:///")


@pytest.mark.parametrize("status", ["running", "failed", "interrupted"])
def test_a_run_that_has_no_score_yet_shows_what_it_has(tmp_path, status):
    made = RunWriter(tmp_path)
    made.write(status=status, recipe="things", **({"error": LABEL} if status == "failed" else {}))
    from toolkit import load_run

    found = Shown(load_run(tmp_path)._repr_html_())
    assert found.texts[:4] == ["run", "things", "status", status]
    assert ("because" in found.texts) == (status == "failed")
    assert not found.links


def test_names_of_others_are_shown_and_not_obeyed(tmp_path):
    scores = {COLUMN: SCORE}
    run = folder(
        tmp_path / "javascript:alert(1)<img>", classified(["a", "b"], 20), recipe=NAME,
        metrics={"test": scores, "validation": scores}, baselines={LABEL: scores},
        headline={"metric": COLUMN, "greater_is_better": True},
    )  # fmt: skip
    (run.path / "report.html").write_text("")
    page = run._repr_html_()
    found = Shown(page)
    assert set(found.elements) == {"table", "tr", "th", "td", "bdi", "a"}
    assert not OBEYED.search(page)
    assert "<img src=x onerror=y>" in "".join(found.texts)
    assert re.match(r"file:///[^<>\"]*$", found.links[0])


def test_the_best_baseline_is_the_one_that_is_hardest_to_beat():
    def said(more, **values):
        baselines = {name: {"loss": {"value": value}} for name, value in values.items()}
        return headline({"headline": {"metric": "loss", "greater_is_better": more},
                         "metrics": {"test": {"loss": SCORE}}, "baselines": baselines})  # fmt: skip

    assert said(True, low=0.1, high=0.9, none=None).endswith("best baseline: high 0.900")
    assert said(False, low=0.1, high=0.9, none=None).endswith("best baseline: low 0.100")
    assert said(True, none=None).endswith("no baseline to compare it with")
    assert headline({"headline": None, "metrics": {"test": {"loss": SCORE}}}) == ""
    assert headline({}) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.39e-17, "0.000"),
        (-2e-16, "0.000"),
        (0.0, "0.000"),
        (0.00952, "0.00952"),
        (3e-9, "3e-09"),
        (0.5, "0.500"),
    ],
)
def test_what_rounding_leaves_of_nothing_is_shown_as_nothing(value, shown):
    assert number(value) == shown
