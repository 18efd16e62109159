"""A page's files written and its commands run, as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import warm
from text_rows import sentences

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(
    r"<!-- (?P<kind>file|append|run)(: (?P<file>[^ ]+))? -->\n```\w*\n(?P<text>.*?)```", re.DOTALL
)


def section(title, page="CONTRIBUTING.md"):
    """Return what stands under a heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def blocks(text):
    """Return the blocks of a text that are marked: to be written, appended or run."""
    return list(BLOCK.finditer(text))


def page_file(page, name):
    """Return a file that a page has written out."""
    (found,) = (b["text"] for b in blocks((ROOT / page).read_text("utf-8")) if b["file"] == name)
    return found


def follow(text, folder, changed=lambda block: block, added=lambda arguments: []):
    """Write the files and run the commands of a text; return what the commands printed.

    changed: of a file's text. added: arguments of `toolkit` -> what is put behind them.
    """
    site = folder / "site"
    # A package that is installed to be edited is found in `folder`, others in `site`.
    paths = os.pathsep.join([str(site), str(folder)])
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": "100"}
    printed = ""
    for block in blocks(text):
        if block["kind"] != "run":
            path = folder / block["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a" if block["kind"] == "append" else "w", encoding="utf-8") as file:
                file.write(changed(block["text"]))
            continue
        for line in block["text"].strip().replace("\\\n", " ").splitlines():
            module, arguments = _command(line, site, added)
            if module == "toolkit":
                done = warm.run(module, arguments, environment, folder)
            else:
                done = subprocess.run(
                    [sys.executable, *module, *arguments],
                    cwd=folder, env=environment, capture_output=True, text=True, check=False,
                )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            printed += done.stdout
            if line.startswith("pip install -e"):
                for path in (p for p in site.iterdir() if (folder / p.name).is_dir()):
                    shutil.rmtree(path)
    return printed


def _command(line, site, added):
    program, *arguments = shlex.split(line, comments=True)
    if program == "python":
        return [], arguments
    if program == "pip":
        # Into a folder of its own, from what is installed: no network, nothing left behind.
        arguments = [word for word in arguments if word != "-e"]
        arguments += ["--target", str(site), "--no-deps", "--no-build-isolation", "-q"]
        return ["-m", program], arguments
    assert program == "toolkit", line
    return program, arguments + added(arguments)


def write_tickets(folder):
    """Write the tables that the commands of the pages read."""
    rows = [(text, label, number) for number, (text, label) in enumerate(sentences(150))]
    lines = [f"{text},{label}" for text, label, _ in rows]
    (folder / "tickets.csv").write_text("\n".join(["message,team", *lines]), encoding="utf-8")
    (folder / "new.csv").write_text("\n".join(["message", "a new hammer", "one old crow"]))
    topics = [f"{text},{label}{';tool' if number % 3 == 0 and label != 'tool' else ''}"
              for text, label, number in rows]  # fmt: skip
    (folder / "reviews.csv").write_text("\n".join(["text,topics", *topics]), encoding="utf-8")


def with_model(model):
    """Return what puts a tiny model behind `run`, `sweep` and `check`, for `follow`."""

    def added(words):
        own = words[0] == "run" and words[1].endswith("best.yaml")  # of a sweep, with its model
        takes = words[0] in ("run", "sweep", "check") and not own
        return ["--model", str(model)] if takes else []

    return added
