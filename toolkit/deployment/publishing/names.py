"""Names of the Hub: repositories and branches, looked at before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from toolkit.errors import Fault

LONGEST = 96
_PART = re.compile(r"[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?", re.ASCII)
_BRANCH = re.compile(r"(?!refs/)\w[\w.+-]*(?:/\w[\w.+-]*)*(?<!\.lock)(?<!\.)", re.ASCII)


def wrong_repo(repo: str) -> Iterator[Fault]:
    """Yield what is wrong with the name of a repository, and what it may have been meant for."""
    parts = repo.split("/")
    if len(parts) == 1 and _PART.fullmatch(repo):
        yield Fault(repo, "is no OWNER/NAME of the Hub: the owner is missing, your name there or "
                    "an organisation's")  # fmt: skip
    elif not _is_repo(parts):
        near = [_clean(part) for part in _parts(repo)]
        hint = f" Did you mean {'/'.join(near)!r}?" if len(near) == 2 and _is_repo(near) else ""
        yield Fault(
            repo,
            "is no OWNER/NAME of the Hub: two names of letters, digits and . _ -, without -- and "
            f"..; at most {LONGEST} characters.{hint}",
        )


def wrong_branch(branch: str | None) -> Iterator[Fault]:
    """Yield what is wrong with the name of a branch."""
    if branch is not None and (".." in branch or not _BRANCH.fullmatch(branch)):
        yield Fault(f"--revision {branch}", "is no name of a branch: letters, digits and . _ - /")


def _is_repo(parts: list[str]) -> bool:
    whole = "/".join(parts)
    return (
        len(parts) == 2
        and all(map(_PART.fullmatch, parts))
        and len(whole) <= LONGEST
        and not ("--" in whole or ".." in whole or whole.endswith(".git"))
    )


def _parts(text: str) -> list[str]:
    """Return the first two names of what may be an address in a browser or of git."""
    path = re.sub(r"^\w+://[^/]*|^git@[^:]*:|\.git/?$", "", text)
    return [part for part in re.split(r"[/\\]", path) if part][:2]


def _clean(part: str) -> str:
    kept = re.sub(r"[^\w.-]+", "-", part, flags=re.ASCII)
    return re.sub(r"-{2,}", "-", re.sub(r"\.{2,}", ".", kept)).strip("-.")
