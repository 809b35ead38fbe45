"""Finds the lines of models in the source of a service file, without running it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Key = tuple[str, str, str]


def lines_of_models(tree: ast.Module) -> dict[Key, int]:
    """Return the lines of the models' names in `connection_models` and `state_models`.

    A model that is not written as dict literals has none.

    :returns: by kind ('connections', 'states'), side and name
    """
    found: dict[Key, int] = {}
    for node in ast.walk(tree):
        for name, value in _assigned(node):
            kind, _, rest = name.partition("_")
            if rest != "models" or kind not in ("connection", "state"):
                continue
            for side, models, _ in _items(value):
                if side in ("in", "out"):
                    for model, _, line in _items(models):
                        found.setdefault((f"{kind}s", side, model), line)
    return found


def line_of_name(tree: ast.Module, name: str) -> int | None:
    """Return the line where a name is the key of a dict, if there is exactly one."""
    lines = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key, _, line in _items(node)
        if key == name
    }
    return lines.pop() if len(lines) == 1 else None


def _assigned(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Name):
                yield target.id, node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value


def _items(node: ast.expr) -> Iterator[tuple[str, ast.expr, int]]:
    """Yield the items of a dict literal with literal text keys, and their lines."""
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value, key.lineno
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        for keyword in node.keywords:
            if keyword.arg is not None:
                yield keyword.arg, keyword.value, keyword.value.lineno


def place(file: str, lines: Mapping[Key, int], tree: ast.Module | None, key: Key) -> str:
    """Return the place of a model as 'file:line', or just the file if the line is not known."""
    line = lines.get(key)
    if line is None and tree is not None:
        line = line_of_name(tree, key[2])
    return file if line is None else f"{file}:{line}"
