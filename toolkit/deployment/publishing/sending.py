"""Upload to the Hub by huggingface_hub: create the repository, send the files in one commit."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from toolkit.deployment.publishing.files import UploadPlan, collect
from toolkit.errors import Fault, ToolkitError, UserError
from toolkit.runs.folder import Run
from toolkit.utils.text import listing, nearest, printable_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAIN = "main"
# Left by an earlier push of another model, `from_pretrained` could load these instead of the new
# ones; and predictions belong to the model that they were published with.
STALE = ("*.safetensors", "*.safetensors.index.json", "adapter_config.json", "predictions.jsonl",
         "known_inputs.npy")  # fmt: skip
_BRANCH = re.compile(r"(?!refs/)\w[\w.+-]*(?:/\w[\w.+-]*)*(?<!\.lock)(?<!\.)", re.ASCII)


@dataclass
class Pushed:
    """The result of a push.

    commit: forty digits; that of the last push if nothing has changed. removed: weights left from
    an earlier push. notes: for whoever pushes.
    """

    url: str
    commit: str
    private: bool
    changed: bool
    removed: list[str]
    notes: list[str]


def prepare(
    run: Run,
    repo: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
    with_data: bool = False,
) -> UploadPlan:
    """Return what a push of a finished run would send, without contacting the Hub.

    Args:
        repo: OWNER/NAME.
        private: visibility of a new repository.
        revision: a branch, created if it does not exist; main by default.
        message: of the commit; recipe and headline score by default.
        with_data: also send what shows rows of data (see docs/push.md).

    Raises:
        UserError: all faults of the names, the run and its folder.
    """
    from toolkit.reporting.display import headline

    faults = list(_wrong_repo(repo))
    if revision is not None and (".." in revision or not _BRANCH.fullmatch(revision)):
        what = "is not a branch name: letters, digits and . _ - /"
        faults.append(Fault(f"--revision {revision}", what))
    if run.status != "finished":
        what = f"is {run.status}: only a finished run's model has been verified, and can be pushed"
        faults.append(Fault(str(run.path), what))
    if faults:
        raise UserError(faults)
    scored = ": ".join(filter(None, [run.record["recipe"], headline(run.record)]))
    plan = UploadPlan(repo, private, revision or MAIN, message or printable_line(scored))
    collect(run, plan, with_data)
    return plan


def send(plan: UploadPlan, progress: bool = False) -> Pushed:
    """Create the repository if needed, and send all files in one commit.

    The token is the one that huggingface_hub finds: HF_TOKEN, or that of `hf auth login`.

    Args:
        progress: show the progress of the upload on stderr.

    Raises:
        UserError: no token or an invalid one, no write access, a public repository where a
            private one was requested, HF_HUB_OFFLINE.
        ToolkitError: the Hub cannot be reached, or fails.
    """
    from huggingface_hub import HfApi

    from toolkit.utils.logging import quiet_libraries

    if not progress:
        quiet_libraries()
    api, names, made = HfApi(library_name="toolkit"), list[str](), False
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            who = api.whoami()
            names = [one["name"] for one in (who, *who.get("orgs", ())) if "name" in one]
            if not api.repo_exists(plan.repo):
                api.create_repo(plan.repo, private=plan.private, exist_ok=True)
                made = True
            pushed = _uploaded(api, plan)
        except UserError:
            raise
        except Exception as error:  # httpx, Hub, upload and file errors have no common base
            found = _explained(error, plan.repo, api.endpoint, names)
            if made:
                found.args = (f"{found}\nThe repository {plan.repo} was created, and is empty.",)
            raise found from error
    pushed.notes += [printable_line(one.message) for one in said if one.category is UserWarning]
    return pushed


def _uploaded(api: HfApi, plan: UploadPlan) -> Pushed:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    repo, url, notes = plan.repo, f"{api.endpoint}/{plan.repo}", list[str]()
    private = bool(api.model_info(repo).private)
    if plan.private and not private:
        raise UserError(
            f"{repo} exists and is public: everybody would see what is sent. Use --public, make "
            "it private in its settings, or choose another name"
        )
    if private and not plan.private:
        notes.append(f"{repo} is private, and stays private until its settings are changed")
    if plan.branch != MAIN:
        api.create_branch(repo, branch=plan.branch, exist_ok=True)
        url += f"/tree/{plan.branch}"
    before = api.model_info(repo, revision=plan.branch)
    stale = sorted(file.rfilename for file in before.siblings or ()
                   if "/" not in file.rfilename and file.rfilename not in plan.files
                   and any(fnmatch(file.rfilename, kind) for kind in STALE))  # fmt: skip
    added = [CommitOperationAdd(path, content) for path, content in plan.files.items()]
    commit = api.create_commit(
        repo, [*added, *map(CommitOperationDelete, stale)],
        commit_message=plan.message, revision=plan.branch,
    )  # fmt: skip
    return Pushed(url, str(commit.oid), private, commit.oid != before.sha, stale, notes)


def _wrong_repo(repo: str) -> Iterator[Fault]:
    """Yield the fault of a repository's name."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # no __all__

    what = "two names of letters, digits and . _ -, without -- and ..; at most 96 characters"
    try:
        validate_repo_id(repo)
        if "/" in repo:
            return
        what = "the owner is missing, your name there or an organisation's"
    except HFValidationError:
        pass
    yield Fault(repo, f"is not an OWNER/NAME of the Hub: {what}")


def _explained(error: Exception, repo: str, endpoint: str, names: list[str]) -> ToolkitError:
    """Return an error of huggingface_hub as one of ours: its message, and what to do.

    names: owners that the token can write as; empty if not known yet.
    """
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, RuntimeError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # of a file's upload
    lines = (line.strip(" -") for line in str(error).splitlines())
    said = " ".join([li for li in lines if li and not li.startswith("For more information")][:4])
    said = printable_line(said or type(error).__name__)[:500].rstrip(".")
    what = f"nothing was published, {endpoint}/{repo} cannot be pushed to: {said}."
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    by_http = isinstance(error, HfHubHTTPError.__mro__[1])  # httpx's base, whatever its package
    if by_http and (status is None or status >= 500 or status in (408, 425, 429)):
        return ToolkitError(f"{what} Try again later")
    if status in (401, 403):
        what += f" A token with write access is created at {endpoint}/settings/tokens."
    if status == 403 and names:
        owner = repo.split("/")[0]
        hint = "" if owner in names else nearest(owner, names)
        what += f" That of {names[0]} can push to: {listing(names)}.{hint}"
    return UserError(what) if isinstance(error, OSError | ValueError) else ToolkitError(what)
