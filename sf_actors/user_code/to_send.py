"""`to_send`: finds the connection or state of a name and sends through it."""

from __future__ import annotations

import os
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakSet

from sf_actors.counters import summary
from sf_actors.errors import InvalidArguments, ServiceStopped, SfActorsError
from sf_actors.log import WORKFLOW_ID
from sf_actors.sync.forks import FORKS, of_parent
from sf_actors.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sf_actors.counters import Counters
    from sf_actors.user_code.interrupt_guard import InterruptGuard

    #: a reply's arguments, the number of a state's update, or None
    Sent = Any
    Send = Callable[[Any, object], Sent]

_MISSING: Final = object()
_KINDS: Final = ("connection", "state")


class Outbound(Protocol):
    """An outbound connection or an out-state."""

    counters: Counters

    def send(self, args: Any, workflow_id: object) -> Sent:
        """Send arguments; any thread."""


class SendPermit:
    """Permission to send for one kind of user code; withdrawn in the child of a fork."""

    __slots__ = ("__weakref__", "_forks", "is_withdrawn")

    def __init__(self) -> None:
        self.is_withdrawn = False
        self._forks = FORKS.count
        _permits.add(self)

    def refusal(self, name: str) -> SfActorsError:
        """Return the error for a send after it was withdrawn."""
        if FORKS.count != self._forks:
            return of_parent("to_send")
        return ServiceStopped(f"{name} is stopping: nothing more is sent")


_permits: Final[WeakSet[SendPermit]] = WeakSet()


def _withdraw_in_child() -> None:
    for permit in _permits:
        permit.is_withdrawn = True


os.register_at_fork(after_in_child=_withdraw_in_child)


class ToSend:
    """The `to_send` function of user code; any thread of the service.

    ``to_send('connection', name, args)`` returns the reply of a requester or external target, else
    None; ``to_send('state', name, args)`` updates an out-state and returns the number of the
    update, None if it was skipped; ``to_send(name, args)`` works if the name is unique. User code
    gets the bound `__call__`, which costs less to call.

    :param name: of the service, for messages
    :param outbounds: the outbound connections and out-states, by ('connection' or 'state', name)
    :param permit: withdrawn when the user code that has this function must end
    :param interrupt_guard: delays interrupts while a call is in here
    :param new_workflow_id: returns an id for a workflow that begins here
    """

    __slots__ = (
        "_by_kind",
        "_by_name",
        "_interrupt_guard",
        "_name",
        "_new_workflow_id",
        "_outbounds",
        "_permit",
    )

    def __init__(
        self,
        name: str,
        outbounds: Mapping[tuple[str, str], Outbound],
        permit: SendPermit,
        *,
        interrupt_guard: InterruptGuard,
        new_workflow_id: Callable[[], str],
    ) -> None:
        self._name = name
        self._new_workflow_id = new_workflow_id
        self._interrupt_guard = interrupt_guard
        self._permit = permit
        self._outbounds = dict(outbounds)
        self._by_kind: dict[str, dict[Any, Send]] = {kind: {} for kind in _KINDS}
        names = [output for _, output in outbounds]
        self._by_name: dict[str, Send] = {}
        for (kind, output), outbound in outbounds.items():
            self._by_kind[kind][output] = outbound.send
            if names.count(output) == 1:
                self._by_name[output] = outbound.send

    def __call__(self, output_type: str, output_name: Any, args: Any = _MISSING) -> Sent:
        """Send; HOT.

        :raises InvalidArguments: no such name, or the arguments or the reply fail their model
        :raises RequestTimeout: no reply within the deadline
        :raises RemoteError: the other side answered with an error
        :raises ServiceStopped: the service stops
        :raises UsageError: in the child of a fork
        """
        if self._permit.is_withdrawn:
            raise self._permit.refusal(self._name)
        interrupt_guard, here = self._interrupt_guard, get_ident()
        try:
            interrupt_guard.guarded_threads.add(here)
            if interrupt_guard.has_pending:
                interrupt_guard.enter()
            try:
                if args is not _MISSING:
                    send = self._by_kind[output_type][output_name]
                else:
                    send, args = self._by_name[output_type], output_name
            except (KeyError, TypeError):  # TypeError: a name without a hash
                problem = self._unknown(output_type, output_name, has_kind=args is not _MISSING)
                raise InvalidArguments(problem) from None
            workflow_id = WORKFLOW_ID.get()
            if workflow_id is None:
                workflow_id = self._new_workflow_id()
            try:
                return send(args, workflow_id)
            except SfActorsError as error:
                self._note(error, send, workflow_id)
                raise
        finally:
            interrupt_guard.guarded_threads.discard(here)
            if interrupt_guard.has_pending:
                interrupt_guard.leave(here)

    def __repr__(self) -> str:
        names = ", ".join(f"{kind} {name!r}" for kind, name in self._outbounds)
        return f"<to_send of {self._name}: {names or 'nothing to send to'}>"

    def _note(self, error: SfActorsError, send: Send, workflow_id: object) -> None:
        if error.workflow_id is None:
            error.workflow_id = workflow_id
        if not isinstance(error, ServiceStopped):
            (counters,) = (o.counters for o in self._outbounds.values() if o.send == send)
            counters.last_error = summary(error)

    def _unknown(self, output_type: object, output_name: object, *, has_kind: bool) -> str:
        names = [name for _, name in self._outbounds]
        if not has_kind:
            if names.count(str(output_type)) > 1:
                return (
                    f"to_send: {output_type!r} is a connection and a state; say which: "
                    f"to_send('connection', {output_type!r}, args)"
                )
            if output_type in _KINDS:
                return (
                    f"to_send: expected to_send({output_type!r}, name, args), got no args; "
                    "without any they are {}"
                )
            return (
                "to_send: no outbound connection or out-state is named "
                f"{output_type!r}{nearest(output_type, names)}"
            )
        if output_type not in _KINDS:
            return (
                f"to_send: expected 'connection' or 'state' first, got {output_type!r}"
                f"{nearest(output_type, _KINDS)}"
            )
        (other,) = (kind for kind in _KINDS if kind != output_type)
        if output_name in [name for kind, name in self._outbounds if kind == other]:
            hint = f"; the {other} has that name: to_send({other!r}, {output_name!r}, args)"
        else:
            same = [name for kind, name in self._outbounds if kind == output_type]
            hint = nearest(output_name, same)
        return f"to_send: no outbound {output_type} is named {output_name!r}{hint}"
