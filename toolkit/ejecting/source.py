"""Python source: values written as the formatter would write them, and the imports of what is used.

What comes from a recipe or from data (labels, paths, column names) enters a script through
`literal` or `comment` alone, so that it stays a value, whatever it holds.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from toolkit import shown
from toolkit.errors import ToolkitError

WIDTH = 88  # ruff's and black's; what fits into it, or ends in a comma, they leave as it is


def quoted(text: str) -> str:
    """Return a string as the formatter writes it: between the quotes that take fewer escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    written = (f"\\{mark}" if mark == quote else mark if mark in "'\"" else repr(mark)[1:-1]
               for mark in text)  # fmt: skip
    return quote + "".join(written) + quote


def literal(value: Any, used: int = 0, indent: int = 0) -> str:
    """Return a value as source, on several lines where one would be too long.

    Args:
        used: columns of the line that stand before the value (and behind it).
        indent: of the line that the value begins in.

    Raises:
        ToolkitError: the value is none that can be written down.
    """
    flat = _flat(value)
    if used + len(flat) <= WIDTH or not isinstance(value, dict | list | tuple) or not value:
        return flat
    inner = indent + 4
    if isinstance(value, dict):
        keys = [(f"{_flat(key)}: ", item) for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        keys = [("", item) for item in value]
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
    pad = " " * inner
    lines = [f"{pad}{key}{literal(item, inner + len(key) + 1, inner)},\n" for key, item in keys]
    return f"{opening}\n{''.join(lines)}{' ' * indent}{closing}"


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_flat(k)}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_flat, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    raise ToolkitError(f"{value!r:.80} cannot be written into a script")


def constants(found: Mapping[str, Any]) -> str:
    """Return assignments, a name a line; those that are None are left out."""
    return "\n".join(_assigned(name, value) for name, value in found.items() if value is not None)


def _assigned(name: str, value: Any) -> str:
    line = f"{name} = {literal(value, len(name) + 3)}"
    # A text has no comma to end in: by its width a formatter would give it a line of its own.
    return f"{line}  # fmt: skip" if isinstance(value, str) and len(line) > WIDTH else line


def comment(text: object, width: int = WIDTH) -> str:
    """Return text as lines of a comment."""
    import textwrap

    lines = textwrap.wrap(shown.line(text), width - 2, break_long_words=False)
    return "\n".join(f"# {line}" for line in lines)


def with_imports(body: str, known: Iterable[str]) -> str:
    """Return a script: imports of the names that its body uses, and the body.

    Args:
        known: import statements, one name each, of which those that are needed are taken; besides
            those that the body itself has at its outermost level.

    Raises:
        ToolkitError: the body is no Python, or uses a name that nothing gives.
    """
    try:
        tree = ast.parse(body)
    except SyntaxError as error:
        raise ToolkitError(
            f"the script is no Python, in line {error.lineno}: {error.msg}"
        ) from None
    own = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    lines = body.split("\n")
    for node in reversed(own):
        del lines[node.lineno - 1 : node.end_lineno]
    by_name = {_name(line): line for line in [*known, *(ast.unparse(node) for node in own)]}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    loaded = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    lacking = loaded - set(by_name) - _defined(tree) - set(dir(builtins))
    if lacking:
        raise ToolkitError(
            f"the script uses names that nothing gives: {', '.join(sorted(lacking))}"
        )
    imports = _sorted(by_name[name] for name in sorted(loaded & set(by_name)))
    text = "\n".join(lines).strip()
    return re.sub(r"\n{4,}", "\n\n\n", f"{imports}\n\n{text}\n")


def modules(text: str) -> set[str]:
    """Return the packages of others that a script imports."""
    nodes = ast.parse(text).body
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names if not _standard(name)}


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that anything in a script gives: definitions, arguments, assignments."""
    found = {"__name__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _name(statement: str) -> str:
    return statement.split()[-1]


def _sorted(statements: Iterable[str]) -> str:
    """Return imports in the usual order: the standard library's, then others'."""
    plain: dict[bool, list[str]] = {True: [], False: []}
    members: dict[str, list[str]] = {}
    for statement in statements:
        words = statement.split()
        if words[0] == "import":
            plain[_standard(words[1])].append(statement)
        else:
            members.setdefault(words[1], []).append(words[3])
    groups = []
    for standard in (True, False):
        lines = sorted(plain[standard])
        for module in sorted(members):
            if _standard(module) is standard:
                lines.append(_members(module, sorted(members[module], key=_order)))
        groups.append("\n".join(lines))
    return "\n\n".join(filter(None, groups))


def _standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _order(name: str) -> tuple[int, str]:
    """Constants first, then classes, then functions: as isort and ruff sort them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _members(module: str, names: list[str]) -> str:
    flat = f"from {module} import {', '.join(names)}"
    if len(flat) <= WIDTH:
        return flat
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"
