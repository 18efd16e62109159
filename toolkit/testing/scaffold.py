"""`toolkit plugin new`: a package that runs and passes its tests, as a starting point.

`templates/common` and `templates/<start>` hold the files. In their paths `package` and `scenario`
stand for the new names and `dot-` for a dot; files ending in `.in` are string.Templates, filled
with these names and the values of `about.toml`.
"""

from __future__ import annotations

import keyword
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template

from toolkit import registry
from toolkit.errors import Fault, PluginError, UserError
from toolkit.utils.text import listing, nearest

TEMPLATES = Path(__file__).parent / "templates"
ABOUT = "about.toml"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 60
OPTIONAL = ("entry_points", "imports", "attributes", "training")  # keys of about.toml


def starts() -> dict[str, str]:
    """Return what a plugin can be started from, and what each of them is."""
    return {path.parent.name: _about(path.parent.name)["summary"]
            for path in sorted(TEMPLATES.glob(f"*/{ABOUT}"))}  # fmt: skip


def make(name: str, start: str, folder: Path) -> list[Path]:
    """Write the package of a new plugin, and return its files.

    Args:
        name: of the scenario and of its distribution: `my-scenario`; its module is `my_scenario`.
        start: a key of `starts()`.
        folder: new or empty.

    Raises:
        UserError: a name that no package can have, or that is taken; an unknown start; a folder
            that is not empty, or cannot be written: all faults at once.
    """
    faults = [*_name_faults(name), *_folder_faults(folder)]
    if start not in (known := starts()):
        what = f"there is no such start.{nearest(start, known)} There are: {listing(known)}"
        faults.append(Fault(f"--from {start!r}", what))
    if faults:
        raise PluginError(faults)
    values = _values(name, start)
    written = []
    try:
        for path, source in sorted(_files(start).items()):
            target = folder.joinpath(*(_renamed(part, values) for part in path.parts))
            target.parent.mkdir(parents=True, exist_ok=True)
            content = source.read_bytes()
            if source.suffix == ".in":
                content = Template(content.decode()).substitute(values).encode()
                target = target.with_suffix("")
            target.write_bytes(content)
            written.append(target)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be written: {error.strerror}") from None
    return written


def _name_faults(name: str) -> Iterator[Fault]:
    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        yield Fault(
            f"NAME {name[:LONGEST]!r}",
            "cannot be the name of a package: lower-case letters, digits and single hyphens, a "
            f"letter first, {LONGEST} characters at most, such as {_as_name(name)!r}",
        )
        return
    same = [entry for entry in registry.entries() if entry.name == name]
    if same:
        brought = listing(f"{entry.distribution} {entry.version}" for entry in same)
        yield Fault(f"NAME {name!r}", f"is taken by a scenario of {brought}")
    elif keyword.iskeyword(module) or _exists(module):
        yield Fault(f"NAME {name!r}", f"gives the module {module!r}, which Python has already")


def _as_name(text: str) -> str:
    """Return the nearest text that is a name."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", text).lower())
    found = "-".join(words).lstrip("0123456789-")[:LONGEST].rstrip("-")
    return found or "my-scenario"


def _exists(module: str) -> bool:
    try:
        return module in sys.stdlib_module_names or find_spec(module) is not None
    except (ImportError, ValueError):  # half-installed: avoid it, too
        return True


def _folder_faults(folder: Path) -> Iterator[Fault]:
    try:
        if folder.is_dir() and any(folder.iterdir()):
            yield Fault(f"--out {folder}", "holds files already: name a new or empty folder")
        elif not folder.is_dir() and (folder.exists() or folder.is_symlink()):
            yield Fault(f"--out {folder}", "is not a folder: name a new or empty one")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        yield Fault(f"--out {folder}", f"cannot be written: {why}")


def _about(start: str) -> dict[str, str]:
    found: dict[str, str] = tomllib.loads((TEMPLATES / start / ABOUT).read_text(encoding="utf-8"))
    return found


def _files(start: str) -> dict[Path, Path]:
    """Return path in the package -> template file; a start's own replace those of its base."""
    found: dict[Path, Path] = {}
    for part in filter(None, ("common", _about(start).get("base"), start)):
        for path in (TEMPLATES / part).rglob("*"):
            if path.is_file() and path.name != ABOUT and "__pycache__" not in path.parts:
                found[path.relative_to(TEMPLATES / part)] = path
    return found


def _values(name: str, start: str) -> dict[str, str]:
    names = {
        "name": name,
        "module": name.replace("-", "_"),
        "class": "".join(word.capitalize() for word in name.split("-")),
    }
    about = {key: Template(text).substitute(names) for key, text in _about(start).items()}
    return dict.fromkeys(OPTIONAL, "") | about | names


def _renamed(part: str, values: Mapping[str, str]) -> str:
    part = re.sub("^dot-", ".", part)
    return {"package": values["module"], "scenario": values["name"]}.get(part, part)
