"""A service that sends a number, and one that doubles it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sf_actors import RequestTimeout
from sf_actors.testing import running
from tests.support.models import Sender, at, counters, replyer, requester, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service

N = {"n": int}


class Asking(Sender):
    """A service with one requester, called `ask`."""

    service: Service

    def __call__(self, to_send: Any) -> None:
        self.to_send = to_send

    def ask(self, n: Any) -> Any:
        return self.to_send("connection", "ask", {"n": n})

    @property
    def counters(self) -> dict[str, Any]:
        return counters(self.service, "ask", "out")


@contextmanager
def asking(address: str, **creation: Any) -> Iterator[Asking]:
    asking = Asking()

    def init(to_send: Any) -> None:
        asking.to_send = to_send

    module = service("asking", outbound={"ask": requester(N, N, **creation)}, init_function=init)
    with running(
        module, addresses=at(outbound={"ask": address}), stop_timeout_s=3
    ) as asking.service:
        yield asking


def doubling(address: str) -> Any:
    model = replyer(lambda args: {"n": args["n"] * 2}, N, N)
    return running(service("doubling", {"double": model}), addresses=at({"double": address}))


def attempt(ours: Asking, n: int) -> Any:
    try:
        return ours.ask(n)
    except RequestTimeout:
        return None
