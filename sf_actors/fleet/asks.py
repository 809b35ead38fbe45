"""What a handler asks, found in the source of its file: calls of `to_send` by literal names.

Functions of the file that it calls are followed, where they get `to_send`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType
    from typing import Any

    Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_TO_SEND: Final = "to_send"
#: The place of `to_send` among what a handler gets by position.
_POSITION: Final = 1


def names_asked(tree: ast.Module, handler: Callable[..., Any], file: str) -> tuple[str, ...]:
    """Return the literal names that a handler, and what it calls, hands to `to_send`.

    :param tree: the source of the file
    :param file: its absolute path; a handler that is defined elsewhere is not looked into
    """
    code = _code_of(handler)
    if code is None or code.co_filename != file:
        return ()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and _is(
            node, code
        ):
            search = _Search(tree)
            search.look_into(node, _names_in(node))
            return tuple(dict.fromkeys(search.found))
    return ()


def _code_of(handler: Any) -> CodeType | None:
    function = getattr(handler, "__wrapped__", handler)
    function = getattr(function, "func", function)  # of a partial
    function = getattr(function, "__func__", function)  # of a method
    return getattr(function, "__code__", None)


def _is(node: Function, code: CodeType) -> bool:
    """Return whether a node is the source of some code."""
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    return node.name == code.co_name and code.co_firstlineno in (first, node.lineno)


def _names_in(node: Function) -> frozenset[str]:
    """Return the parameter of a handler that is `to_send`, by name or else by position."""
    arguments = node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    known = {*names, *(one.arg for one in arguments.kwonlyargs)}
    if _TO_SEND in known or known & {"args", "states", "config", "stopping", "update"}:
        return frozenset({_TO_SEND})
    return frozenset(names[_POSITION : _POSITION + 1])


class _Search:
    """Looks for what is asked, from one function to those that it calls."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[str] = []
        self._seen: set[tuple[int, frozenset[str]]] = set()
        self._functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault(node.name, []).append(node)

    def look_into(self, function: Function, names: frozenset[str]) -> None:
        """Look into a function in which `to_send` goes by these names."""
        if (id(function), names) in self._seen:
            return
        self._seen.add((id(function), names))
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                self._look_at(node, names)

    def _look_at(self, call: ast.Call, names: frozenset[str]) -> None:
        if isinstance(call.func, ast.Name) and call.func.id in names:
            self.found += _named_by(call.args)
            return
        positions = [
            number
            for number, one in enumerate(call.args)
            if isinstance(one, ast.Name) and one.id in names
        ]
        keywords = [
            one.arg
            for one in call.keywords
            if one.arg and isinstance(one.value, ast.Name) and one.value.id in names
        ]
        called = call.func.id if isinstance(call.func, ast.Name) else None
        called = call.func.attr if isinstance(call.func, ast.Attribute) else called
        followed = self._functions.get(called or "", ())
        for one in followed:
            self.look_into(one, frozenset(_parameters(one, positions, keywords)))
        if not followed and positions:
            # handed on to be called: asyncio.to_thread(to_send, 'orders', …)
            self.found += _named_by(call.args[positions[0] + 1 :])


def _named_by(arguments: list[ast.expr]) -> Iterable[str]:
    """Return the name of a connection in the arguments of `to_send`, if it is literal."""
    texts: list[str] = []
    for one in arguments[:2]:
        if not isinstance(one, ast.Constant) or not isinstance(one.value, str):
            break
        texts.append(one.value)
    if texts[:1] == ["connection"]:
        return texts[1:]
    return [] if texts[:1] == ["state"] else texts[:1]


def _parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef, positions: list[int], keywords: list[str]
) -> Iterator[str]:
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    shift = 1 if names[:1] in (["self"], ["cls"]) else 0
    for position in positions:
        if position + shift < len(names):
            yield names[position + shift]
    yield from keywords
    # a function within a function sees its names
    if _TO_SEND not in names:
        yield _TO_SEND
