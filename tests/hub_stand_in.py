"""A stand-in for the Hub on the loopback interface: repositories are folders, one commit each.

As a script it serves a folder that holds `models/OWNER/NAME/...` and `datasets/OWNER/NAME/...`:
`python hub_stand_in.py FOLDER` prints its address, and counts for every request a line in LOG.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOG = "requests.log"
API = re.compile(
    r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+))?(/.*)?"
)
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


def commit(repository: Path) -> str:
    """Return the forty digits of a repository's one commit: what its files are."""
    total = hashlib.sha1(usedforsecurity=False)
    for path in files(repository):
        total.update(f"{path.relative_to(repository)}:{etag(path)}".encode())
    return total.hexdigest()


def etag(path: Path) -> str:
    """Return the name of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(repository: Path) -> list[Path]:
    """Return the files of a repository."""
    return sorted(path for path in repository.rglob("*") if path.is_file())


class Handler(BaseHTTPRequestHandler):
    """Answers what huggingface_hub and datasets ask for when something is downloaded."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        """Answer with what there is."""
        self._answer()

    do_HEAD = do_POST = do_GET  # noqa: N815 - http.server's own names

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        with (self.folder / LOG).open("a") as log:
            log.write(f"{self.command} {path}\n")
        if match := API.fullmatch(path):
            kind, name, what, revision, below = match.groups()
            repository = self.folder / kind / name
            if repository.is_dir() and revision in (None, "main", commit(repository)):
                return self._json(self._api(repository, name, what, below, body))
        elif match := FILE.fullmatch(path):
            data, name, revision, inside = match.groups()
            repository = self.folder / ("datasets" if data else "models") / name
            if (repository / inside).is_file():
                return self._file(repository, inside)
            if repository.is_dir():
                return self._json({"error": "Entry not found"}, 404, "EntryNotFound")
        return self._json({"error": "Repository not found"}, 404, "RepoNotFound")

    def _api(self, repository: Path, name: str, what: str, below: str, body: bytes) -> Any:
        if what in ("tree", "paths-info"):
            below = (below or "/").strip("/")
            asked = json.loads(body).get("paths", []) if what == "paths-info" else None
            found = []
            for path in sorted(repository.rglob("*")):
                inside = path.relative_to(repository).as_posix()
                if asked is not None and inside not in asked:
                    continue
                if asked is None and below and not inside.startswith(f"{below}/"):
                    continue
                entry = {"type": "directory", "path": inside, "oid": "0" * 40, "size": 0}
                if path.is_file():
                    entry |= {"type": "file", "oid": etag(path)[:40], "size": path.stat().st_size}
                found.append(entry)
            return found
        siblings = [{"rfilename": p.relative_to(repository).as_posix()} for p in files(repository)]
        return {"_id": "1", "id": name, "modelId": name, "sha": commit(repository),
                "private": False, "siblings": siblings, "tags": []}  # fmt: skip

    def _json(self, value: Any, status: int = 200, code: str | None = None) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _file(self, repository: Path, inside: str) -> None:
        content = (repository / inside).read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{etag(repository / inside)}"')
        self.send_header("X-Repo-Commit", commit(repository))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on the terminal."""


if __name__ == "__main__":
    Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)  # noqa: T201 - for the test
    server.serve_forever()
