"""One commit to the Hub by huggingface_hub: the repository made, its files sent."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from toolkit.deployment.publishing import files, names
from toolkit.deployment.publishing.faults import in_words, offline, without_token
from toolkit.deployment.publishing.plan import Plan
from toolkit.errors import Fault, UserError
from toolkit.runs.folder import Run
from toolkit.utils.text import printable_line

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

MAIN = "main"
# Left by an earlier push of another model, `from_pretrained` would take these for the new one's;
# and predictions are of the model that they were published with.
STALE = ("*.safetensors", "*.safetensors.index.json", "adapter_config.json", "predictions.jsonl")


@dataclass(frozen=True)
class Prepared:
    """What a push would send, and where to: all of it is read, nothing has been sent.

    private: of the repository, if it has to be made; one that is public already is refused then.
    """

    repo: str
    private: bool
    branch: str
    message: str
    plan: Plan


@dataclass
class Pushed:
    """What a push has done.

    commit: forty digits; that of the last push where nothing has changed. removed: weights that an
    earlier push had left. notes: what whoever has pushed should know.
    """

    url: str
    commit: str
    private: bool
    changed: bool
    removed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare(
    run: Run,
    repo: str,
    *,
    private: bool = True,
    revision: str | None = None,
    message: str | None = None,
    with_data: bool = False,
) -> Prepared:
    """Return what a push of a finished run would send; the Hub is not asked for anything.

    Args:
        repo: OWNER/NAME.
        private: whether the repository is made for its owner's eyes alone.
        revision: a branch, which is made where it is not there; main where not given.
        message: of the commit; recipe and headline score where not given.
        with_data: send what shows rows of data, too (see docs/push.md).

    Raises:
        UserError: all that is wrong with the names, the run and its folder.
    """
    faults = [*names.wrong_repo(repo), *names.wrong_branch(revision)]
    if run.status != "finished":
        what = f"is {run.status}: only a finished run's model has been proved, and can be pushed"
        faults.append(Fault(str(run.path), what))
    if faults:
        raise UserError(faults)
    found = files.plan(run, repo, with_data)
    return Prepared(repo, private, revision or MAIN, message or _message(run), found)


def send(prepared: Prepared, progress: bool = False) -> Pushed:
    """Make the repository where it is not there, and send all in one commit.

    The token is the one that huggingface_hub finds: HF_TOKEN, or that of `hf auth login`.

    Args:
        progress: show on stderr how far the upload is.

    Raises:
        UserError: no token or a wrong one, no right to write, a public repository where a private
            one was asked for, HF_HUB_OFFLINE.
        ToolkitError: the Hub cannot be reached, or fails.
    """
    from huggingface_hub import HfApi, constants, get_token

    if constants.is_offline_mode():
        raise offline()
    token = get_token()
    if not token or not token.isascii():
        raise without_token(constants.ENDPOINT)
    with _quiet(progress) as said:
        pushed = _Push(HfApi(token=token, library_name="toolkit"), prepared).done()
    pushed.notes += said
    return pushed


class _Push:
    def __init__(self, api: HfApi, prepared: Prepared) -> None:
        self.api, self.to = api, prepared
        self.names: list[str] = []  # that the token's owner may write as
        self.made = False

    def done(self) -> Pushed:
        try:
            who = self.api.whoami()
            self.names = [one["name"] for one in (who, *who.get("orgs", ())) if "name" in one]
            return self._committed(self._ready())
        except UserError:
            raise
        except Exception as error:  # httpx, Hub, upload and file errors have no common base
            told = in_words(error, self.to.repo, self.api.endpoint, self.names)
            if told is None:
                raise
            if self.made:
                told.args = (f"{told}\nThe repository {self.to.repo} was made, and is empty.",)
            raise told from error

    def _ready(self) -> ModelInfo:
        """Return the repository's branch as it is; both are made where they are not there."""
        repo, branch = self.to.repo, self.to.branch
        info = self._info()
        if info is None:
            self.api.create_repo(repo, private=self.to.private, exist_ok=True)
            self.made = True
            info = self.api.model_info(repo)
        if self.to.private and not info.private:
            raise UserError(
                f"{repo} is there and public: everybody would see what is sent. Say --public, or "
                "make it private in its settings, or take another name"
            )
        if branch == MAIN:
            return info
        self.api.create_branch(repo, branch=branch, exist_ok=True)
        return self.api.model_info(repo, revision=branch)

    def _info(self) -> ModelInfo | None:
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            return self.api.model_info(self.to.repo)
        except RepositoryNotFoundError:
            return None

    def _committed(self, info: ModelInfo) -> Pushed:
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        items, repo, branch = self.to.plan.items, self.to.repo, self.to.branch
        stale = _stale((s.rfilename for s in info.siblings or ()), {item.path for item in items})
        operations: list[Any] = [CommitOperationDelete(path) for path in stale]
        operations += [CommitOperationAdd(item.path, item.content) for item in items]
        commit = self.api.create_commit(
            repo, operations, commit_message=self.to.message, revision=branch
        )
        url = f"{self.api.endpoint}/{repo}" + ("" if branch == MAIN else f"/tree/{branch}")
        private = bool(info.private)
        pushed = Pushed(url, str(commit.oid), private, commit.oid != info.sha, stale)
        if private and not self.to.private:
            pushed.notes.append(f"{repo} is private, and stays so until its settings say otherwise")
        return pushed


def _stale(there: Iterator[str], sent: set[str]) -> list[str]:
    return sorted(path for path in there
                  if "/" not in path and path not in sent
                  and any(fnmatch(path, kind) for kind in STALE))  # fmt: skip


@contextmanager
def _quiet(progress: bool) -> Iterator[list[str]]:
    """Silence huggingface_hub; yield the list of what it has warned of, which fills at the end."""
    from huggingface_hub.utils import logging as hub_logging
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    level, bars, said = hub_logging.get_verbosity(), not are_progress_bars_disabled(), list[str]()
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # untyped there
    if bars and not progress:
        disable_progress_bars()
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            yield said
        said += [printable_line(one.message) for one in found if one.category is UserWarning]
    finally:
        hub_logging.set_verbosity(level)
        if bars and not progress:
            enable_progress_bars()


def _message(run: Run) -> str:
    """Return what the commit says: the recipe and what the model is worth."""
    from toolkit.reporting.terminal import with_interval

    record = run.record
    best = record["headline"]
    score = record["metrics"]["test"].get(best["metric"]) if best else None
    worth = f": {best['metric']} {with_interval(score)} on test" if best and score else ""
    return printable_line(f"{record['recipe']}{worth}")
