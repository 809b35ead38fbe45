"""Finds the connections that a handler calls, from the literal names in its calls of `to_send`.

The search follows functions of the same file that get `to_send`. Threads and tasks that the handler
starts do not block it, so their calls do not count.
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
#: The index of `to_send` among the positional arguments of a handler.
_POSITION: Final = 1


def names_called(tree: ast.Module, handler: Callable[..., Any], file: str) -> tuple[str, ...]:
    """Return the literal names that a handler, and functions that it calls, pass to `to_send`.

    :param tree: the source of the file
    :param file: its absolute path; for a handler from another file the result is empty
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
    """Return True if a node is the source of a code object."""
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    return node.name == code.co_name and code.co_firstlineno in (first, node.lineno)


def _names_in(node: Function) -> frozenset[str]:
    """Return the parameter that is `to_send`, by its name or else by its position."""
    arguments = node.args
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if names[:1] in (["self"], ["cls"]):
        names = names[1:]
    known = {*names, *(one.arg for one in arguments.kwonlyargs)}
    if _TO_SEND in known or known & {"args", "states", "config", "stopping", "update"}:
        return frozenset({_TO_SEND})
    return frozenset(names[_POSITION : _POSITION + 1])


class _Search:
    """Searches a function, and the functions that it calls, for calls of `to_send`."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[str] = []
        self._seen: set[tuple[int, frozenset[str]]] = set()
        self._functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._functions.setdefault(node.name, []).append(node)

    def look_into(self, function: Function, names: frozenset[str]) -> None:
        """Search a function in which `to_send` has these names."""
        if (id(function), names) in self._seen:
            return
        self._seen.add((id(function), names))
        names |= frozenset(_other_names(function, names))
        for call, is_waited_for in _calls_of(function):
            self._look_at(call, names, is_waited_for=is_waited_for)

    def _look_at(self, call: ast.Call, names: frozenset[str], *, is_waited_for: bool) -> None:
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
            if is_waited_for or isinstance(one, ast.FunctionDef):
                self.look_into(one, frozenset(_parameters(one, positions, keywords)))
        if is_waited_for and not followed:
            self._look_at_handed_on(call, positions, keywords)

    def _look_at_handed_on(self, call: ast.Call, positions: list[int], keywords: list[str]) -> None:
        """Look at functions passed to another one: `await asyncio.to_thread(to_send, 'x', …)`."""
        for number, given in enumerate(call.args):
            if number in positions:
                self.found += _named_by(call.args[number + 1 :])
                return
            functions = self._functions.get(given.id, ()) if isinstance(given, ast.Name) else ()
            after = [position - number - 1 for position in positions]
            for one in functions:
                self.look_into(one, frozenset(_parameters(one, after, keywords)))
            if functions:
                return


def _calls_of(function: Function) -> Iterator[tuple[ast.Call, bool]]:
    """Yield the calls in a function, each with True if the function waits for its result.

    Nested functions are left out: those that are called are found by name.
    """
    waiting: list[tuple[ast.AST, bool]] = [(node, False) for node in _body_of(function)]
    while waiting:
        node, is_waited_for = waiting.pop(0)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or (
            isinstance(node, ast.Lambda) and not is_waited_for
        ):
            continue
        if isinstance(node, ast.Call):
            yield node, is_waited_for
        waits = is_waited_for or isinstance(node, ast.Await) or _is_result(node)
        waiting += [(child, waits) for child in ast.iter_child_nodes(node)]


def _other_names(function: Function, names: frozenset[str]) -> Iterator[str]:
    """Yield other names for `to_send`, as in `ask = to_send`."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
            for target in node.targets if node.value.id in names else ():
                if isinstance(target, ast.Name):
                    yield target.id


def _body_of(function: Function) -> list[ast.AST]:
    return [function.body] if isinstance(function, ast.Lambda) else list(function.body)


def _is_result(node: ast.AST) -> bool:
    """Return True if a node is `….result()`, which waits for a future."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "result"
    )


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
    # a nested function sees the names of the outer one
    if _TO_SEND not in names:
        yield _TO_SEND
