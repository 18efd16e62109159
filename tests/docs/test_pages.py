"""All pages: links resolve as on GitHub, settings exist, generated pages are current."""

from __future__ import annotations

import dataclasses
import re
import runpy
from functools import cache

import pytest
from walkthrough import ROOT, blocks, follow, with_model, write_tickets

DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.rglob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
     ROOT / "benchmarks" / "README.md", ROOT / "tests" / "README.md"]
)  # fmt: skip
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
LONGEST = "choose-settings.md"
EXECUTED = ("text-classification.md", "imbalanced-data.md", "choose-settings.md")


def named(page):
    return str(page.relative_to(ROOT))


@cache
def prose(page):
    """Return the page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


@cache
def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_and_headings(page):
    wrong = []
    for path, anchor in LINK.findall(prose(page)):
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(f"{path}#{anchor}")
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_begins_with_one_title_and_says_what_it_is_about(page):
    text = page.read_text(encoding="utf-8")
    assert re.match(r"# \S.*\n\n[^#\n]", text)
    assert len(re.findall(r"^# ", prose(page), re.M)) == 1


#: Words that readers of the field do not know in this sense, and theirs.
ODD = {
    r"floors?": "baseline",
    r"proved|proves": "verified",
    r"honest(ly)?": "legitimate",
    r"set aside": "skipped, excluded",
    r"hangs? on": "depends on",
    r"commonest": "most frequent",
    r"surest": "most confident",
    r"told apart": "different",
    r"strangers?": "other, untrusted",
}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_uses_the_words_of_the_field(page):
    text = re.sub(r"`[^`]*`", "", prose(page))
    found = {odd: better for odd, better in ODD.items() if re.search(rf"\b({odd})\b", text, re.I)}
    assert found == {}


@pytest.fixture(scope="module")
def settings():
    """All keys that a recipe may have."""
    import transformers

    from toolkit.training.reserved import OWN

    fields = [field.name for field in dataclasses.fields(transformers.TrainingArguments)]
    reference = (DOCS / "recipe-reference.md").read_text(encoding="utf-8")
    keys = re.findall(r"^\| `([\w.]+)` \|", reference, re.M)
    assert len(keys) > 80
    return {*keys, *(f"training.{name}" for name in (*fields, *OWN))}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_settings_that_a_page_names_exist(page, settings):
    text = page.read_text(encoding="utf-8")
    given = re.findall(r"--set '?([a-z_]+(?:\.\w+)*)=", text)
    in_tables = re.findall(r"`((?:training|options|method)\.[\w.]+)", prose(page))
    wrong = {key for key in (*given, *in_tables) if not _known(key.rstrip("."), settings)}
    assert wrong == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_settings_are_quoted_where_a_shell_would_read_them(page):
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"--set [^'\"\s`]*[\[\]{};*?|&<>]", text) == []


def _known(key, settings):
    parent = key.rpartition(".")[0]  # of what has keys of the user's own
    recorded = key == "method.features"  # in run.json
    return key in settings or recorded or parent in ("options.class_weights", "data.split.windows")


def test_the_recipe_reference_is_what_the_code_says():
    made = runpy.run_path(str(DOCS / "make_recipe_reference.py"))["page"]()
    there = (DOCS / "recipe-reference.md").read_text(encoding="utf-8")
    assert there == made, "python docs/make_recipe_reference.py"
    cells = [line.split(" | ") for line in there.splitlines() if line.startswith("| `")]
    assert [row[0] for row in cells if not row[3].strip(" |")] == []  # each says what it is


def test_the_gallery_has_each_recipe_with_figures_that_were_measured():
    text = (DOCS / "recipes.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w/-]+)` \|", text, re.M)
    there = {f"{path.parent.name}/{path.stem}".removesuffix("/default")
             for path in (ROOT / "recipes").glob("*/*.yaml")}  # fmt: skip
    assert sorted(listed) == sorted(there)
    measured = "".join((ROOT / name).read_text(encoding="utf-8").replace("*", "")
                       for name in ("README.md", "benchmarks/README.md"))  # fmt: skip
    figures = re.findall(r"0\.\d+ \[0\.\d+, 0\.\d+\]", text)
    assert len(figures) >= 9
    assert [figure for figure in figures if figure not in measured] == []


@pytest.mark.parametrize(
    "name",
    # A grid search is long, and so is not run at each change.
    [pytest.param(n, marks=getattr(pytest.mark, "nightly" if n == LONGEST else "slow"))
     for n in EXECUTED],
)  # fmt: skip
def test_the_commands_of_the_page_run(name, tmp_path, tiny_model):
    write_tickets(tmp_path)
    text = (DOCS / name).read_text(encoding="utf-8")
    assert blocks(text)
    given = 'data="tickets.csv"'
    printed = follow(
        text,
        tmp_path,
        lambda code: code.replace(given, f'{given}, model="{tiny_model}"'),
        with_model(tiny_model),
    )
    assert " compared, 0 different" in printed
