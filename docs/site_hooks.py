"""For mkdocs: pages of the site that stand outside of docs/, and links to and from them.

Links are written as they work in the repository; here they are rewritten to where pages stand in
the site, and a file's name as the text of a link becomes the page's title. What is no page of the
site (a licence, a script) stays, and fails the strict build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent
#: Path in the repository, which is the path in the site as well.
OUTSIDE = ("README.md", "CONTRIBUTING.md", "benchmarks/README.md", "tests/README.md")
LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<path>[^)#\s]+)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that stand outside of docs/."""
    for path in OUTSIDE:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the page with links to where the pages stand in the site."""
    here = page.file.src_uri
    folder = posixpath.dirname(here if here in OUTSIDE else f"docs/{here}")

    def moved(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, link["path"]))
        place = posixpath.relpath(path.removeprefix("docs/"), posixpath.dirname(here) or ".")
        return f"[{_title(path) if link['text'].endswith('.md') else link['text']}]({place}"

    return LINK.sub(moved, markdown)


def _title(path: str) -> str:
    with (ROOT / path).open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()
