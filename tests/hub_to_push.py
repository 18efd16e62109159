"""A stand-in for the Hub that can be written to, on the loopback interface, in a thread.

It keeps what it is sent: `sent` holds every body as it came, and what was packed in it. Branches
are folders; what `hub_stand_in` can read is read from them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import hub_stand_in
import huggingface_hub
import pytest
import yaml
from hub_stand_in import API, FILE, commit

TOKEN = "hf_" + "a" * 30  # ann's
LARGE = (".safetensors", ".png")  # what .gitattributes of a new repository names, in part
WRITES = re.compile(r"/api/models/([^/]+/[^/]+)/(branch|preupload|commit)/(.+)")
BATCH = re.compile(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch")


@dataclass
class Hub:
    """Repositories below `folder`; token -> its owner's name and the names it may write as.

    fails: status with which requests to a path are answered, by a pattern.
    """

    folder: Path
    tokens: dict[str, tuple[str, list[str]]]
    fails: dict[str, int] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    commits: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""

    def serve(self) -> ThreadingHTTPServer:
        """Return a server of this Hub, not yet started."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": self}))
        server.daemon_threads = True
        self.address = f"http://127.0.0.1:{server.server_address[1]}"
        return server

    def place(self, name: str, revision: str | None = None) -> Path | None:
        """Return the folder of a branch, by its name or its commit."""
        main = self.folder / "models" / name
        found = {None: main, "main": main}
        found |= {unquote(b.name): b / name for b in (self.folder / "branches").glob("*")}
        for path in [path for path in found.values() if path.is_dir()]:
            found.setdefault(commit(path), path)
        path = found.get(revision)
        return path if path is not None and path.is_dir() else None

    def create(self, name: str, private: bool) -> None:
        """Make a repository as a new one is: with .gitattributes alone."""
        (self.folder / "models" / name).mkdir(parents=True)
        lines = "".join(f"*{end} filter=lfs diff=lfs merge=lfs -text\n" for end in LARGE)
        (self.folder / "models" / name / ".gitattributes").write_text(lines)
        self.private[name] = private


class Handler(hub_stand_in.Handler):
    """Answers what huggingface_hub asks when a folder is pushed, and when it is read back."""

    hub: Hub

    do_GET = do_HEAD = do_POST = do_PUT = lambda self: self._answer()  # noqa: N815 - http.server's

    def _answer(self) -> None:
        path, hub = urlsplit(self.path).path, self.hub  # quoted: a branch's name may hold a /
        body = self._body()
        hub.requests.append(f"{self.command} {path}")
        hub.sent += [self.requestline.encode(), body]
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.owner, self.names = hub.tokens.get(token, (None, []))
        failing = next((s for pattern, s in hub.fails.items() if re.search(pattern, path)), None)
        if failing:
            return self._json({"error": "out of order"}, failing)
        if match := BATCH.fullmatch(path):
            return self._json(self._batch(json.loads(body)))
        if path.startswith("/lfs/"):
            return self._large(path, body)
        if match := WRITES.fullmatch(path):
            name, what, revision = map(unquote, match.groups())
            if name.split("/")[0] not in self.names:
                return self._json({"error": "Forbidden: you need write access"}, 403)
            return getattr(self, f"_{what}")(name, revision, body)
        if self.command == "POST" and path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return self._validate(json.loads(body)["content"])
        if path == "/api/whoami-v2":
            groups = [{"name": name} for name in self.names if name != self.owner]
            known = {"name": self.owner, "type": "user", "orgs": groups}
            return self._json(known) if self.owner else self._unknown()
        return self._read(path, body)

    def _unknown(self) -> None:
        self._json({"error": "Invalid credentials in Authorization header"}, 401)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _read(self, path: str, body: bytes) -> None:
        """Answer for those who may see it: a private repository is not there for others."""
        match = API.fullmatch(path) or FILE.fullmatch(path)
        if match is None:
            return self._json({"error": "Not found"}, 404)
        _, name, *others = (part and unquote(part) for part in match.groups())
        revision = others[1] if match.re is API else others[0]
        place = self.hub.place(name, revision)
        if place is None or (self.hub.private.get(name) and name.split("/")[0] not in self.names):
            return self._json({"error": "Repository not found"}, 404, "RepoNotFound")
        if match.re is API:
            found = self._api(place, name, others[0], others[2], body)
            private = {"private": self.hub.private[name]} if isinstance(found, dict) else {}
            return self._json({**found, **private} if private else found)
        if (place / others[1]).is_file():
            return self._file(place, others[1])
        return self._json({"error": "Entry not found"}, 404, "EntryNotFound")

    def _create(self, asked: dict[str, Any]) -> None:
        owner = asked["organization"] or self.owner
        name = f"{owner}/{asked['name']}"
        url = {"url": f"{self.hub.address}/{name}"}
        if owner not in self.names:
            return self._json({"error": f"You don't have the rights to create a model under the "
                                        f"namespace {owner!r}"}, 403)  # fmt: skip
        if self.hub.place(name):
            return self._json({**url, "error": "You already created this model repo"}, 409)
        self.hub.create(name, asked.get("visibility") == "private")
        return self._json(url)

    def _branch(self, name: str, branch: str, body: bytes) -> None:
        if self.hub.place(name, branch):
            return self._json({"error": "Reference already exists"}, 409)
        shutil.copytree(self.hub.folder / "models" / name,
                        self.hub.folder / "branches" / quote(branch, safe="") / name)  # fmt: skip
        return self._json({})

    def _validate(self, content: str) -> None:
        front = re.match(r"---\n(.*?)\n---\n", content, re.S)
        try:
            found = yaml.safe_load(front[1]) if front else None
        except yaml.YAMLError as error:
            return self._json({"errors": [{"message": str(error)}], "warnings": []}, 400)
        lacking = [] if found else [{"message": "empty or missing yaml metadata in repo card"}]
        return self._json({"errors": [], "warnings": lacking})

    def _preupload(self, name: str, revision: str, body: bytes) -> None:
        place, found = self.hub.place(name, revision), []
        for file in json.loads(body)["files"]:
            self.hub.sent.append(base64.b64decode(file["sample"]))
            there, large = place / file["path"], file["path"].endswith(LARGE)
            content = there.read_bytes() if there.is_file() else None
            blob = b"blob %d\0" % len(content or b"") + (content or b"")
            oid = (hashlib.sha256(content) if large
                   else hashlib.sha1(blob, usedforsecurity=False)).hexdigest() \
                if content is not None else None  # fmt: skip
            found.append({"path": file["path"], "uploadMode": "lfs" if large else "regular",
                          "shouldIgnore": False, "oid": oid})  # fmt: skip
        return self._json({"files": found})

    def _batch(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = []
        for item in asked["objects"]:
            entry = {"oid": item["oid"], "size": item["size"]}
            if not (self.hub.folder / "lfs" / item["oid"]).is_file():
                upload = {"href": f"{self.hub.address}/lfs/{item['oid']}"}
                verify = {"href": f"{self.hub.address}/lfs/verify"}
                entry["actions"] = {"upload": upload, "verify": verify}
            found.append(entry)
        return {"transfer": "basic", "objects": found}

    def _large(self, path: str, body: bytes) -> None:
        oid = json.loads(body)["oid"] if path == "/lfs/verify" else path.removeprefix("/lfs/")
        store = self.hub.folder / "lfs" / oid
        if self.command == "PUT":
            store.parent.mkdir(exist_ok=True)
            store.write_bytes(body)
        whole = store.is_file() and hashlib.sha256(store.read_bytes()).hexdigest() == oid
        return self._json({}, 200 if whole else 422)

    def _commit(self, name: str, revision: str, body: bytes) -> None:
        place, lines = self.hub.place(name, revision), map(json.loads, body.splitlines())
        record: dict[str, Any] = {"name": name, "revision": revision, "deleted": [], "added": {}}
        for line in lines:
            key, value = line["key"], line["value"]
            if key == "header":
                record["summary"] = value["summary"]
            elif key == "deletedFile":
                (place / value["path"]).unlink()
                record["deleted"].append(value["path"])
            else:
                large = key == "lfsFile"
                content = ((self.hub.folder / "lfs" / value["oid"]).read_bytes() if large
                           else base64.b64decode(value["content"]))  # fmt: skip
                self.hub.sent.append(content)
                (place / value["path"]).parent.mkdir(parents=True, exist_ok=True)
                (place / value["path"]).write_bytes(content)
                record["added"][value["path"]] = len(content)
        self.hub.commits.append(record)
        oid = commit(place)
        url = f"{self.hub.address}/{name}/commit/{oid}"
        return self._json({"commitOid": oid, "commitUrl": url, "success": True})


def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve a Hub that ann may write to, as herself and for acme; huggingface_hub is told of it."""
    hub = Hub(folder, {TOKEN: ("ann", ["ann", "acme"]), "hf_" + "r" * 30: ("bob", [])})
    server = hub.serve()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    # Its settings, read from the environment when it was imported.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()
    huggingface_hub.close_session()
