"""A service that sends a number, and one that doubles it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sf_actors import RequestTimeout
from sf_actors.testing import running
from tests.support.models import Sender, at, counters, replyer, requester, service
from tests.support.waiting import until

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


def until_told(ours: Asking, text: str) -> None:
    """Ask until a timeout says this: a busy machine learns why later than the first call ends."""

    def is_told() -> bool:
        try:
            ours.ask(1)
        except RequestTimeout as error:
            return text in str(error)
        raise AssertionError("somebody has answered")

    until(is_told, f"a timeout that says {text!r}")


def attempt(ours: Asking, n: int) -> Any:
    try:
        return ours.ask(n)
    except RequestTimeout:
        return None
