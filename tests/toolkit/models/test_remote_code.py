"""Code that comes with a model is never run: nothing in the tree asks transformers to."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAME = "trust_remote_code"


def passed(tree: ast.AST):
    """Yield each value that is given for the name: as an argument, a key, or a field."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == NAME:
            yield node.value
        elif isinstance(node, ast.Dict):
            yield from (value for key, value in zip(node.keys, node.values, strict=True)
                        if isinstance(key, ast.Constant) and key.value == NAME)  # fmt: skip
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                index = getattr(target, "slice", None)
                names = getattr(target, "attr", None), getattr(index, "value", None)
                if NAME in names:
                    yield node.value


def is_no(value: ast.AST) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def test_no_call_in_the_tree_lets_it_run():
    files = [file for room in ("toolkit", "plugins", "tests", "benchmarks", "docs", ".ci")
             for file in (ROOT / room).rglob("*.py")]  # fmt: skip
    assert len(files) > 100
    allowed = {str(file) for file in files
               for value in passed(ast.parse(file.read_text())) if not is_no(value)}  # fmt: skip
    assert allowed == set()
    settings = [file for room in ("recipes", "docs", "benchmarks") for file in
                (ROOT / room).rglob("*") if file.suffix in (".yaml", ".json", ".md")]  # fmt: skip
    assert not [file for file in settings if f"{NAME}: true" in file.read_text()]


def test_such_a_call_would_be_found():
    for text in (f"f({NAME}=True)", f"f({NAME}=x)", f"f(**{{'{NAME}': 1}})", f"a.{NAME} = True",
                 f"a['{NAME}'] = True", f"class A:\n    b.{NAME}: bool = True"):  # fmt: skip
        assert not all(is_no(value) for value in passed(ast.parse(text))), text
    assert all(is_no(value) for value in passed(ast.parse(f"f({NAME}=False)")))
