"""docs/sweep.md: its commands and its Python, in the processes that users have."""

from __future__ import annotations

import re

import pytest
from walkthrough import ROOT, follow, with_model, write_tickets

PAGE = (ROOT / "docs" / "sweep.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_commands_of_the_page_run(tmp_path, tiny_model):
    write_tickets(tmp_path)
    printed = follow(PAGE, tmp_path, added=with_model(tiny_model))
    assert "4 trials: 4 trained to their end" in printed
    assert "(default)" in printed
    assert "was picked from 4 by accuracy on validation" in printed
    assert (tmp_path / "predicted.csv").is_file()


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path, tiny_model, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tickets(tmp_path)
    (cell,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    given = 'data="tickets.csv"'
    names = {}
    exec(cell.replace(given, f'{given}, model="{tiny_model}"'), names)  # noqa: S102 - our own page
    found = names["found"]
    assert [one["state"] for one in found.trials] == ["validated"] * 4
    assert found.best.status == "finished"
