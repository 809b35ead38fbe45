"""Honest peers of a service under attack: they ask without a pause and follow its state."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import zmq

from sf_actors.testing import module_of, running
from tests.security.conversations import HONEST_ID
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.services import Background
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.security.besieged import Besieged, Held
    from tests.security.keyrings import Keyring
    from tests.support.bare_sockets import Socket

#: How long a call may take, in seconds; what it takes is told.
TIMEOUT_S = 10.0

#: How long a thread of theirs may take to end.
ENDING_S = 2 * TIMEOUT_S

N = {"required_arguments": {"n": int}}
ASKING = {
    "connection_type": "requester",
    "optional_creation_arguments": {"timeout_s": TIMEOUT_S},
    "required_return_arguments": {"n": int},
    **N,
}
SEEN = {"seen": {str: int}, "heap": int, "blocks": int}
#: What Python's own blocks have on average, in bytes.
BLOCK_BYTES = 80

BOOK = {"n": int, "prices": {Decimal: int}}


def client_module(begin: Callable[[Callable[..., Any], Any], None]) -> ModuleType:
    """A service that asks the one under attack, and follows its state.

    :param begin: called with `to_send` and `states`
    """

    def init_function(to_send: Callable[..., Any], states: Any) -> None:
        begin(to_send, states)

    rest = ASKING | {"required_arguments": {}, "required_return_arguments": {"book": BOOK}}
    measure = ASKING | {"required_arguments": {}, "required_return_arguments": SEEN}
    followed = {"state_type": "delta_update_in", "required_arguments": BOOK}
    return module_of(
        name="honest",
        connection_models={
            "out": {"echo": ASKING, "once": ASKING, "rest": rest, "measure": measure}
        },
        state_models={"in": {"book": followed}},
        init_function=init_function,
    )


class Honest:
    """A service of ours and a bare client, each with a thread that asks and asks.

    :param keyring: its own, and the server's, if there are keys
    """

    def __init__(self, besieged: Besieged, keys: tuple[Keyring, Keyring] | None) -> None:
        self.besieged = besieged
        self.calls = 0
        self.slowest_s = 0.0
        self.wrong: list[str] = []
        #: how many messages the service got, by what they were
        self.seen: dict[str, int] = {}
        self._keys = keys
        self._is_over = threading.Event()
        self._stack = ExitStack()
        self._threads: list[Background] = []
        self._to_send: Callable[..., Any]
        self._states: Any

    def __str__(self) -> str:
        return f"{self.calls} honest calls, the slowest of {self.slowest_s:.2f} s"

    def __enter__(self) -> Honest:
        with ExitStack() as stack:
            arguments: dict[str, Any] = {"addresses": self.besieged.client_addresses()}
            arguments |= {"keys": self._keys and self._keys[0].folder, "console_loglevel": None}
            stack.enter_context(running(client_module(self._begin), **arguments))
            echo = stack.enter_context(self._bare(zmq.REQ, "echo"))
            once = stack.enter_context(self._bare(zmq.DEALER, "once"))
            stack.callback(self.end)
            self._threads = [
                Background(self._ask_for_ever, self._ask_by_ours),
                Background(self._ask_for_ever, lambda n: self._ask_barely(n, echo, once)),
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def _begin(self, to_send: Callable[..., Any], states: Any) -> None:
        self._to_send, self._states = to_send, states

    @contextmanager
    def _bare(self, kind: int, name: str) -> Iterator[Socket]:
        with bare(kind) as opened:
            opened.rcvtimeo = int(TIMEOUT_S * 1000)
            if kind == zmq.DEALER:
                opened.setsockopt(zmq.ROUTING_ID, HONEST_ID)
            if self._keys is not None:
                own, server = self._keys
                opened.curve_publickey, opened.curve_secretkey = own.public, own.secret
                opened.curve_serverkey = server.public
            opened.connect(f"tcp://{self.besieged.addresses[f'{name}.replyer']}")
            yield opened

    def end(self) -> None:
        """Ask no more; may be called twice."""
        self._is_over.set()
        for thread in self._threads:
            assert thread.join(ENDING_S) is None

    def _ask_for_ever(self, ask: Callable[[int], tuple[str, object]]) -> None:
        """Ask until something is wrong; `ask` says how it asked, and returns what came."""
        n = 0
        while not self._is_over.is_set() and not self.wrong:
            n += 1
            begun = monotonic()
            try:
                how, reply = ask(n)
            except Exception as error:  # noqa: BLE001 - each end but a reply is one too many
                self.wrong.append(f"call {n} got no reply: {type(error).__name__}: {error}")
                return
            self.slowest_s = max(self.slowest_s, monotonic() - begun)
            if reply != {"n": n}:
                self.wrong.append(f"{how} {n} was answered by {reply!r}")
            self.calls += 1

    def _ask_by_ours(self, n: int) -> tuple[str, object]:
        name = ("echo", "once")[n % 2]
        return f"call of {name}", self._to_send("connection", name, {"n": n})

    def _ask_barely(self, n: int, echo: Socket, once: Socket) -> tuple[str, object]:
        request = {"args": {"n": n}, "workflow_id": f"honest {n}"}
        if n % 2:
            how = "bare call of echo"
            echo.send(packed(request))
            reply = unpacked(echo.recv())
        else:
            how = "bare call of once"
            # counted from 1, as others count theirs
            once.send_multipart([b"", packed({**request, "request_id": n})])
            reply = unpacked(once.recv_multipart()[-1])
        if reply.get("workflow_id") != request["workflow_id"]:
            return how, reply
        return how, reply.get("return_args", reply)

    def require_well(self) -> None:
        """Fail if a call was lost or answered wrongly."""
        assert not self.wrong, self.wrong

    def wait_until_all_is_well(self) -> None:
        """Wait until the replica follows and both clients have had answers."""
        until(lambda: bool(self.wrong) or (self._is_live() and self.calls > 10))
        self.require_well()

    def _is_live(self) -> bool:
        return bool(self._states.status("book").phase == "LIVE")

    def measured(self) -> Held:
        """Return what the service has in use, what is only kept for later given back."""
        measured = self._to_send("connection", "measure", {})
        self.seen = measured["seen"]
        in_use_mb = (measured["heap"] + BLOCK_BYTES * measured["blocks"]) / 2**20
        return self.besieged.held()._replace(in_use_mb=in_use_mb)

    def require_in_step(self) -> None:
        """End the updates over there, and wait until the replica has the very same state."""
        there = self._to_send("connection", "rest", {})["book"]

        def is_in_step() -> bool:
            is_there = self._states.status("book").number == there["n"]
            return is_there and self._is_live() and bool(self._states["book"] == there)

        try:
            until(is_in_step)
        except AssertionError:
            found = f"{self._states.status('book')} {self._states['book']}"
            raise AssertionError(f"the replica has not come to {there}: {found}") from None
