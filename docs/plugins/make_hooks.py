"""Write hooks.md from the docstrings of toolkit/plugin/: `python docs/plugins/make_hooks.py`."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent / "toolkit" / "plugin"
PAGE = HERE / "hooks.md"
HEAD = """# Hooks

Written by `python docs/plugins/make_hooks.py` from `toolkit/plugin/`; a test compares them.
The runner calls the hooks in this order. `load_model` is required, all others are optional.

## What a hook finds in `self`
"""


def page() -> str:
    """Return the page made of the docstrings as they are now."""
    plugin, others = _class("contract.py"), _class("explaining.py")
    parts = [HEAD, _block(ast.get_docstring(plugin) or "")]
    for node in [*plugin.body, *others.body]:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            returns = ast.unparse(node.returns) if node.returns else "None"
            signature = f"{node.name}({ast.unparse(node.args)}) -> {returns}"
            parts.append(f"\n## `{node.name}`\n\n```\n{signature}\n```\n")
            parts.append(_block(ast.get_docstring(node) or ""))
    return "\n".join(parts)


def _class(name: str) -> ast.ClassDef:
    """Return the one class of a module."""
    tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return found


def _block(docstring: str) -> str:
    """Return a docstring as Markdown: indented lists (below "Args:" and the like) as code."""
    lines, code = [], False
    for line in inspect.cleandoc(docstring).splitlines():
        indented = line.startswith(" ") and bool(line.strip())
        if indented != code and (line.strip() or code):
            lines.append("```")
            code = indented
        lines.append(line)
    return "\n".join([*lines, *(["```"] if code else []), ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
