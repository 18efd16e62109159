"""A fixture: a stranger's scenario as an installed package."""

from __future__ import annotations

import json
import os
import sys

import pytest


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """A function that installs a plugin's module with its rows; it returns a recipe's path."""
    installed = []

    def install(name, code, plugin, rows, **recipe):
        site = tmp_path / "site"
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / f"{name}.py").write_text(code)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[toolkit.plugins]\n{name} = {name}:{plugin}\n")
        monkeypatch.syspath_prepend(site)
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # of the fresh process, too
        installed.append(name)
        (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        path = tmp_path / f"{name}.yaml"
        data = {"source": "rows.jsonl"}
        path.write_text(json.dumps({"scenario": name, "data": data, **recipe}))  # JSON is YAML
        return str(path)

    yield install
    for name in installed:
        sys.modules.pop(name, None)
