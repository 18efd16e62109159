"""What goes wrong between here and the Hub, in words that say what to do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from toolkit.errors import ToolkitError, UserError
from toolkit.utils.text import listing, nearest, printable_line

NOTHING = "nothing was published"
_LATER = (408, 425, 429)


def offline() -> UserError:
    """Return what to do where the environment forbids to ask the Hub."""
    return UserError(
        "HF_HUB_OFFLINE is set: the Hub is not asked for anything. Unset it to push; --dry-run "
        "shows without a network what would be sent"
    )


def without_token(endpoint: str) -> UserError:
    """Return how to get a token."""
    return UserError(
        f"there is no token of the Hub: make one with the right to write at {endpoint}"
        "/settings/tokens, then `hf auth login`, or set HF_TOKEN. --dry-run needs none"
    )


def in_words(
    error: Exception, repo: str, endpoint: str, names: Sequence[str]
) -> ToolkitError | None:
    """Return an error of huggingface_hub as one of ours; None where it is of another kind.

    Args:
        names: that the token's owner may write as; empty where that is not known yet.
    """
    from huggingface_hub import errors

    cause = error.__cause__
    if isinstance(error, RuntimeError) and isinstance(cause, Exception):  # of a file's upload
        return in_words(cause, repo, endpoint, names) or ToolkitError(f"{_said(error)}; {NOTHING}")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return offline()
    if isinstance(error, errors.HfHubHTTPError):
        return _refused(error, repo, endpoint, names)
    # httpx's own base, whatever the name of its package.
    if isinstance(error, errors.HfHubHTTPError.__mro__[1]):
        return ToolkitError(f"{endpoint} cannot be reached ({_said(error)}); {NOTHING}")
    if isinstance(error, ValueError):
        return UserError(f"the Hub does not take what is sent: {_said(error)}; {NOTHING}")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return UserError(f"{where}{error.strerror or _said(error)}; {NOTHING}")
    return ToolkitError(f"the upload failed: {_said(error)}; {NOTHING}")


def _refused(error: Any, repo: str, endpoint: str, names: Sequence[str]) -> ToolkitError:
    status = error.response.status_code
    said = printable_line(error.server_message or "").strip()
    if status == 401:
        where = "HF_TOKEN" if os.environ.get("HF_TOKEN") else "`hf auth login`"
        return UserError(
            f"the Hub does not take the token of {where}: it is wrong, or has been revoked. Make "
            f"one with the right to write at {endpoint}/settings/tokens"
        )
    if status == 403:
        return UserError(_no_right(repo, endpoint, names, said))
    what = f"{endpoint} answers {status}" + (f" ({said})" if said else "")
    if status >= 500 or status in _LATER:
        return ToolkitError(f"{what}; {NOTHING}. Try again later")
    return UserError(f"{repo} cannot be pushed to: {what}; {NOTHING}")


def _no_right(repo: str, endpoint: str, names: Sequence[str], said: str) -> str:
    owner, said = repo.split("/")[0], f" ({said})" if said else ""
    if owner in names:
        return (
            f"the token may not write to {repo}{said}: make one with the right to write at "
            f"{endpoint}/settings/tokens"
        )
    hint = nearest(owner, names)
    return (
        f"{names[0] if names else 'the token'} may not write to {repo}{said}.{hint} The names that "
        f"it can push to: {listing(names)}"
    )


def _said(error: BaseException) -> str:
    lines = [line.strip(" -") for line in str(error).splitlines() if line.strip(" -")]
    return printable_line(" ".join(lines[:3]) or type(error).__name__)[:500]
