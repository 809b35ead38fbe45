"""Gives the replies of a service that stops the time that the stop has to reach slow peers."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from sf_actors.sockets.transport import LINGER_MS
from sf_actors.sync.seconds import poll_ms

if TYPE_CHECKING:
    from sf_actors.actors.run_context import RunContext
    from sf_actors.sockets.frames import Socket


def unbind(run_context: RunContext, bound: Socket, *, where: str) -> None:
    """Close a bound socket once its replies have left, or at the deadline of the stop.

    In the thread that owns the socket.

    :param where: the model, for the log
    """
    if not run_context.stop_deadline:
        run_context.transport.unbind(bound)
        return
    began = monotonic()
    linger_ms = max(LINGER_MS, poll_ms(run_context.stop_deadline - began))
    run_context.transport.unbind(bound, linger_ms=linger_ms, drains=True)
    if monotonic() >= began + linger_ms / 1000:
        run_context.log.warning("replies cut off: their peers have not read them", model=where)
