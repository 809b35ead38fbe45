"""Decides how a user's function is called: by the names of its parameters, or by position.

The rules, in the order in which they are tried:

1. A function whose parameters have offered names gets these by name, and may leave out the others;
   a parameter with another name must have a default, and keeps it.
2. A function without parameters is called without any.
3. A function that uses none of the names gets all of them by position, if it takes all of them.

``*args`` takes the remaining values by position, ``**kwargs`` takes them by name.

Two more are offered only by name: `stopping`, to every function that gets `to_send`, and `update`,
to the handlers of in-states.
"""

from __future__ import annotations

import functools
import inspect
from functools import lru_cache
from inspect import Parameter
from types import CellType, CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from msgspec import Struct

from sf_actors.errors import DefinitionError
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sf_actors.sync.stopping import Stopping

    #: Makes a coroutine function a blocking one; the second argument is True for `main`.
    Blocking = Callable[[Callable[..., Any], bool], Callable[..., Any]]

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_SUSPENDING: Final = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR | inspect.CO_GENERATOR

#: How many ways to call a function are cached.
MAX_CALLS: Final = 256


class Role(Struct, frozen=True):
    """The arguments that one kind of user function can be called with.

    :param offered: the names, in the order of the positions
    :param shorter: shorter sequences of these names that can be taken by position
    :param spellings: alternative names of parameters: spelling -> offered name
    """

    offered: tuple[str, ...]
    shorter: tuple[tuple[str, ...], ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()


HANDLER = Role(("args", "to_send", "states", "config"))
#: A further parameter for handlers of in-states, by name only.
UPDATE = "update"
#: A further parameter for every function that gets `to_send`, by name only.
STOPPING = "stopping"
STATUS = Role(("status", "to_send", "states", "config"), shorter=(("status",),))
INIT = Role(("to_send", "states", "config"))
MAIN = Role(("to_send", "states", "config"), shorter=(("to_send", "config"),))
SIGNAL = Role(
    ("signum", "frame", "to_send", "states", "config"),
    spellings=(("sigint", "signum"), ("sigterm", "signum")),
)
SETUP = Role(("config",))
SETUP_ADDRESSES = Role(("addresses", "config"))
SETUP_MODELS = Role(("models", "config"))


class WithUpdate:
    """A handler that takes the update as a last argument, after those of every handler."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *values: Any) -> Any:
        """Call the handler."""
        return self.function(*values)


def bind_in_state(
    function: Callable[..., Any],
    *,
    where: str,
    stopping: Stopping | None = None,
    blocking: Blocking | None = None,
) -> Callable[..., Any]:
    """Bind the handler of an in-state; the result is a `WithUpdate` if it has a parameter `update`.

    :raises DefinitionError: see `bind`
    """
    if not takes(function, UPDATE):
        return bind(function, HANDLER, where=where, stopping=stopping, blocking=blocking)
    role = Role((*HANDLER.offered, UPDATE))
    bound = bind(function, role, where=where, stopping=stopping, blocking=blocking)
    return WithUpdate(bound)


def takes(function: Callable[..., Any], name: str) -> bool:
    """Return True if a function has a parameter with this name that no partial has bound."""
    if type(function) is FunctionType and not vars(function):
        # the usual case, without its signature, which takes long to make
        code = function.__code__
        first, end = code.co_posonlyargcount, code.co_argcount + code.co_kwonlyargcount
        return name in code.co_varnames[first:end]
    try:
        parameter = inspect.signature(function, follow_wrapped=False).parameters.get(name)
    except (ValueError, TypeError):
        return False
    if parameter is None or parameter.kind in {*_VARIADIC, Parameter.POSITIONAL_ONLY}:
        return False
    while isinstance(function, functools.partial):
        if name in function.keywords:
            return False
        function = function.func
    return True


def takes_stopping(function: Callable[..., Any], role: Role) -> bool:
    """Return True if a function has a parameter `stopping`, in a role that offers it."""
    return "to_send" in role.offered and takes(function, STOPPING)


def bind(
    function: Callable[..., Any],
    role: Role,
    *,
    where: str,
    stopping: Stopping | None = None,
    blocking: Blocking | None = None,
) -> Callable[..., Any]:
    """Return a callable that takes all arguments of the role, by position and in its order.

    That is the function itself if its parameters fit exactly.

    :param function: a function, bound method, partial, class or other callable of the user; one
        without a known signature, such as some builtins, gets everything by position
    :param where: what the function is for, such as ``"svc.py: main"``
    :param stopping: the value of a parameter `stopping`, in a role that offers `to_send`
    :param blocking: makes a coroutine function a plain one; None: it is refused
    :raises DefinitionError: the function cannot be called with what the role offers, or is a
        generator function
    """
    is_coroutine = blocking is not None and _is(inspect.iscoroutinefunction, function)
    if not is_coroutine:
        refuse_suspending(function, where=where)
    bound = _bound(function, role, where=where, stopping=stopping)
    return blocking(bound, role is MAIN) if blocking is not None and is_coroutine else bound


def _bound(
    function: Callable[..., Any], role: Role, *, where: str, stopping: Stopping | None
) -> Callable[..., Any]:
    if stopping is not None and takes_stopping(function, role):
        function = functools.partial(function, **{STOPPING: stopping})
    if UPDATE not in role.offered and takes(function, UPDATE):
        raise DefinitionError(
            f"{where}: expected no parameter 'update', which only handlers of in-states are "
            f"offered, got {name_of(function)}"
        )
    if _is_simple(function):
        simple_call = _call_of_code(function.__code__, role)
        if simple_call is not None:
            return _closure(function, simple_call, len(role.offered))
    try:
        own = inspect.signature(function, follow_wrapped=False)
        signature = _signature_of(function, own)
    except (ValueError, TypeError):
        return function
    names = _names(function, role)
    call = _call_of(own, signature, names, role)
    if call is None:
        raise DefinitionError(_refusal(function, signature, names, role, where))
    return _closure(function, call, len(role.offered))


def _is_simple(function: Callable[..., Any]) -> TypeGuard[FunctionType]:
    """Return True for a function whose code alone says what it takes."""
    return (
        type(function) is FunctionType
        and not vars(function)
        and function.__defaults__ is None
        and function.__kwdefaults__ is None
    )


@lru_cache(MAX_CALLS)
def _call_of_code(code: CodeType, role: Role) -> _Call | None:
    """Return how to call a simple function, or None; one file may be run very often."""
    function = FunctionType(code, {}, closure=tuple(CellType() for _ in code.co_freevars))
    signature = inspect.signature(function)
    return _call_of(signature, signature, _names(function, role), role)


def _call_of(
    own: inspect.Signature, signature: inspect.Signature, names: Mapping[str, int], role: Role
) -> _Call | None:
    """Return how to call a function of this signature, or None if that is impossible."""
    parameters = list(signature.parameters.values())
    if any(p.name in names and p.kind not in _VARIADIC for p in parameters):
        call = _call_by_name(parameters, names, role)
    else:
        call = _call_by_position(parameters, names, role)
    return call if call is not None and _is_possible(own, call) else None


def refuse_suspending(function: Callable[..., Any], *, where: str) -> None:
    """Raise DefinitionError for a coroutine or generator function: calling it runs nothing."""
    if (
        type(function) is FunctionType
        and not vars(function)
        and not function.__code__.co_flags & _SUSPENDING
    ):
        return
    kinds: tuple[tuple[Callable[[object], bool], str], ...] = (
        (inspect.iscoroutinefunction, "a coroutine function"),
        (inspect.isasyncgenfunction, "an asynchronous generator function"),
        (inspect.isgeneratorfunction, "a generator function"),
    )
    for is_kind, kind in kinds:
        if _is(is_kind, function):
            raise DefinitionError(
                f"{where}: expected a plain function, got {kind}, {name_of(function)}: "
                "nothing would run it; write it with 'def' and 'return'"
            )


def _is(is_kind: Callable[[object], bool], function: Callable[..., Any]) -> bool:
    """Return True if a callable, or its `__call__`, is a function of some kind."""
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    return is_kind(inner) or is_kind(type(inner).__call__)


def name_of(function: object) -> str:
    """Return the name by which a user knows a callable."""
    if isinstance(function, functools.partial):
        return f"partial of {name_of(function.func)}"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]


class _Call(Struct, frozen=True):
    """The indices of the offered values that a function gets, by position and by keyword."""

    positions: tuple[int, ...] = ()
    keywords: tuple[tuple[str, int], ...] = ()


def _signature_of(function: Callable[..., Any], own: inspect.Signature) -> inspect.Signature:
    """Return the signature of a function, or of the wrapped one if a wrapper has ``*args``."""
    if any(p.kind is Parameter.VAR_POSITIONAL for p in own.parameters.values()):
        return inspect.signature(function)
    return own


def _names(function: Callable[..., Any], role: Role) -> dict[str, int]:
    """Return the possible names of parameters, each with the index of its value."""
    names = {name: index for index, name in enumerate(role.offered)}
    names |= {spelling: names[name] for spelling, name in role.spellings}
    while isinstance(function, functools.partial):
        # a keyword that a partial has bound is a default that the user chose
        names = {name: at for name, at in names.items() if name not in function.keywords}
        function = function.func
    return names


def _call_by_name(
    parameters: Sequence[Parameter], names: Mapping[str, int], role: Role
) -> _Call | None:
    positions: list[int] = []
    keywords: list[tuple[str, int]] = []
    left = list(range(len(role.offered)))
    has_gap = False
    for parameter in parameters:
        at = names.get(parameter.name)
        if parameter.kind is Parameter.VAR_POSITIONAL:
            if has_gap:
                return None
            later = {names.get(p.name) for p in parameters if p.kind is Parameter.KEYWORD_ONLY}
            positions += [index for index in left if index not in later]
            left = [index for index in left if index in later]
        elif parameter.kind is Parameter.VAR_KEYWORD:
            keywords += [(name, at) for name, at in _by_name(names, role) if at in left]
        elif at is None:
            if parameter.default is Parameter.empty:
                return None
            has_gap = has_gap or parameter.kind in _POSITIONAL
        elif at not in left or (has_gap and parameter.kind is Parameter.POSITIONAL_ONLY):
            return None
        else:
            left.remove(at)
            if has_gap or parameter.kind is Parameter.KEYWORD_ONLY:
                keywords.append((parameter.name, at))
            else:
                positions.append(at)
    return _Call(tuple(positions), tuple(keywords))


def _by_name(names: Mapping[str, int], role: Role) -> list[tuple[str, int]]:
    """Return the keywords for ``**kwargs``: each value once, under its offered name."""
    return [(name, at) for name, at in names.items() if name in role.offered]


def _call_by_position(
    parameters: Sequence[Parameter], names: Mapping[str, int], role: Role
) -> _Call | None:
    kinds = {parameter.kind for parameter in parameters}
    if any(p.kind is Parameter.KEYWORD_ONLY and p.default is Parameter.empty for p in parameters):
        return None
    places = [p for p in parameters if p.kind in _POSITIONAL]
    required = sum(p.default is Parameter.empty for p in places)
    offers = [tuple(range(len(role.offered)))]
    offers += [tuple(role.offered.index(name) for name in names) for names in role.shorter]
    if Parameter.VAR_POSITIONAL in kinds:
        return _Call(offers[0]) if required <= len(offers[0]) else None
    if Parameter.VAR_KEYWORD in kinds and not required:
        return _Call(keywords=tuple(_by_name(names, role)))
    for offer in offers:
        if len(offer) == required:
            return _Call(offer)
    for offer in offers:
        if required < len(offer) <= len(places):
            return _Call(offer)
    return None if required else _Call()


def _is_possible(own: inspect.Signature, call: _Call) -> bool:
    """Return True if Python can make the call: a wrapper may accept less than what it wraps."""
    try:
        own.bind(*call.positions, **dict(call.keywords))
    except TypeError:
        return False
    return True


def _closure(function: Callable[..., Any], call: _Call, offered: int) -> Callable[..., Any]:
    positions, keywords = call.positions, call.keywords
    count = len(positions)
    if keywords:
        return lambda *values: function(
            *[values[at] for at in positions], **{name: values[at] for name, at in keywords}
        )
    if positions != tuple(range(count)):
        return lambda *values: function(*[values[at] for at in positions])
    if count == offered:
        return function
    if count == 1:
        return lambda first, *_rest: function(first)
    return lambda *values: function(*values[:count])


def _refusal(
    function: Callable[..., Any],
    signature: inspect.Signature,
    names: Mapping[str, int],
    role: Role,
    where: str,
) -> str:
    shown = " ".join(f"{name_of(function)}{signature}".split())
    hint = ""
    for parameter in signature.parameters.values():
        if parameter.kind in _VARIADIC or parameter.default is not Parameter.empty:
            continue
        if parameter.name not in names:
            hint = hint or nearest(parameter.name, role.offered)
    counts = [f"all {len(role.offered)}" if len(role.offered) > 1 else "it"]
    counts += [f"the {len(names)} ({', '.join(names)})" for names in role.shorter]
    return (
        f"{where}: expected a function of ({', '.join(role.offered)}), by these names (any of "
        f"them) or by position ({' or '.join(counts)}), got {shown}{hint}"
    )
