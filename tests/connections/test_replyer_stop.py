"""The last look of a replyer that stops: as long as somebody could still send."""

from __future__ import annotations

from contextlib import ExitStack
from threading import Thread
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING

import pytest
import zmq

from sf_actors.actors import last_replies
from sf_actors.connections.replyer import LATE_S, QUIET_S, Replyer
from sf_actors.lifecycle import assembly
from sf_actors.sockets.transport import Transport
from sf_actors.sync.seconds import LONGEST_S
from sf_actors.testing import running
from tests.support.bare_sockets import ask, bare, packed
from tests.support.models import at, counters, endpoint_of, replyer, service
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = ("127.0.0.1:0", "ipc://{}/it", "inproc://last-look")


def stop_s(address: str, *, is_called: bool) -> float:
    """Return how long a stop takes, in seconds; one that is called has a peer to the end."""
    with ExitStack() as stack:
        served = stack.enter_context(
            running(
                service("it", {"it": replyer(lambda args: None)}), addresses=at({"it": address})
            )
        )
        if is_called:
            asking = stack.enter_context(bare(zmq.REQ, connect=endpoint_of(served, "it")))
            ask(asking, {"args": {}})
        began = perf_counter()
        served.stop_service()
        return perf_counter() - began


@pytest.mark.parametrize("address", ADDRESSES)
def test_without_a_peer_it_takes_no_time(address: str, tmp_path: Path) -> None:
    # other work of the machine may make one take longer
    assert min(stop_s(address.format(tmp_path), is_called=False) for _ in range(5)) < QUIET_S / 2


@pytest.mark.parametrize("address", ADDRESSES[:2])
def test_with_a_peer_it_lasts_until_nothing_has_come_for_a_while(
    address: str, tmp_path: Path
) -> None:
    assert stop_s(address.format(tmp_path), is_called=True) >= QUIET_S


def test_where_the_machine_is_late_it_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a requester sent before it heard of the stop may be as late as the clock shows us."""
    late: list[float] = []

    class LateReplyer(Replyer):
        def on_tick(self) -> None:
            if self._on_quiet is not None and not late and self._noticed_at is not None:
                # as if the thread had got no processor meanwhile
                late.append(sleep_until(self._noticed_at + 3 * LATE_S))
            super().on_tick()

    monkeypatch.setattr(assembly, "Replyer", LateReplyer)
    assert stop_s(f"ipc://{tmp_path}/it", is_called=True) >= 2 * QUIET_S + 3 * LATE_S
    assert late


def sleep_until(when: float) -> float:
    sleep(max(0.0, when - monotonic()))
    return when


def test_an_answer_may_take_until_the_deadline_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # otherwise all would have left within the second that other sockets linger
    monkeypatch.setitem(Transport.unbind.__kwdefaults__, "linger_ms", 0)
    monkeypatch.setattr(last_replies, "LINGER_MS", 0)
    answers = replyer(lambda args: {"b": bytes(200_000)}, None, {"b": bytes})
    address = f"ipc://{tmp_path}/it"
    with (
        running(service("it", {"it": answers}), addresses=at({"it": address})) as served,
        bare(zmq.DEALER) as slow,
    ):
        actor = served._run.state.actors["connections/in/it"]
        slow.rcvhwm = 1
        slow.connect(address)
        for _ in range(50):
            slow.send_multipart([b"", packed({"args": {}})])
        until(lambda: counters(served, "it")["handled"] == 50, "the requests")
        stopping = Thread(target=served.stop_service)
        stopping.start()
        until(lambda: actor._bound[0].closed, "the end of its socket")
        for _ in range(50):
            assert len(slow.recv_multipart()) == 2
        stopping.join(PATIENCE_S)
        assert not served.is_running


def test_a_stop_may_have_any_time_there_is() -> None:
    it = service("it", {"it": replyer(lambda args: None)})
    with (
        running(it, addresses=at({"it": "127.0.0.1:0"}), stop_timeout_s=LONGEST_S) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "it")) as asking,
    ):
        actor = served._run.state.actors["connections/in/it"]
        ask(asking, {"args": {}})
        served.stop_service()
        assert actor._bound[0].closed
        assert served.failure is None
