"""An actor that dies is restarted on its address; one that dies too often ends the service."""

from __future__ import annotations

import pytest
import zmq

from tests.support.actor_faults import Slow, kill, serving, with_two_actors
from tests.support.bare_sockets import ask, bare, packed, unpacked
from tests.support.models import counters, endpoint_of
from tests.support.waiting import PATIENCE_S, until


def test_an_actor_that_dies_is_restarted_on_the_same_port(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with serving(lambda args: {}) as served:
        address = endpoint_of(served, "it")
        with bare(zmq.REQ, connect=address) as before:
            ask(before, {"args": {}})
        kill(served)
        until(lambda: counters(served, "it")["restarts"] == 1, "the restart")

        # a new connection: on an old one a request may leave before its end is noticed
        with bare(zmq.REQ, connect=address) as after:
            assert ask(after, {"args": {}})["return_args"] == {}
        assert "ZeroDivisionError" in counters(served, "it")["last_error"]
        assert served.failure is None
    assert "actor died" in capfd.readouterr().err


def test_a_restarted_actor_does_not_wait_for_what_its_predecessor_had_queued() -> None:
    slow = Slow()
    with (
        with_two_actors(slow, high_water_mark=5) as served,
        bare(zmq.REQ, connect=endpoint_of(served, "first")) as first,
    ):
        with bare(zmq.DEALER, connect=endpoint_of(served, "second")) as second:
            first.send(packed({"args": {"n": 0}}))
            slow.wait_for_call()
            for n in range(5):
                second.send_multipart([b"", packed({"args": {"n": n}})])
            until(lambda: counters(served, "second")["queued"] == 5, "a full queue")
            kill(served, "connections/in/second")
            until(lambda: counters(served, "second")["restarts"] == 1, "the restart")
        slow.release(1)
        assert "return_args" in unpacked(first.recv())

        with bare(zmq.REQ, connect=endpoint_of(served, "second")) as again:
            assert ask(again, {"args": {"n": 9}})["return_args"] == {"n": 9}
        numbers = counters(served, "second")
        assert (numbers["queued"], numbers["in_flight"]) == (0, 0)
        assert numbers["dropped"] == {"peer_gone": 5}


def test_an_actor_that_dies_a_fourth_time_within_5_s_makes_the_service_fail() -> None:
    from sf_actors.errors import ActorDied

    with serving(lambda args: {}) as served:
        for number in range(1, 4):
            kill(served)
            until(lambda n=number: counters(served, "it")["restarts"] == n, "the restart")  # type: ignore[misc]
        kill(served)
        assert served.wait(PATIENCE_S)
        assert isinstance(served.failure, ActorDied)
        assert isinstance(served.failure.__cause__, ZeroDivisionError)


def test_an_actor_that_cannot_open_again_makes_the_service_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sf_actors.connections.replyer import Replyer
    from sf_actors.errors import ActorDied

    with serving(lambda args: {}) as served:

        def refuse(self: Replyer) -> None:
            raise OSError("no socket today")

        monkeypatch.setattr(Replyer, "open", refuse)
        kill(served)
        assert served.wait(PATIENCE_S)
        assert isinstance(served.failure, ActorDied)
        assert "no socket today" in str(served.failure)


def test_an_actor_that_cannot_open_at_the_start_raises_from_run_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sf_actors.connections.replyer import Replyer

    def refuse(self: Replyer) -> None:
        self.bind(zmq.ROUTER, "replyer")
        raise OSError("no socket today")

    monkeypatch.setattr(Replyer, "open", refuse)
    with pytest.raises(OSError, match="no socket today"), serving(lambda args: {}):
        pass
