"""Waiting for states, and what a service sees of its own."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from sf_actors import InvalidArguments, Service, ServiceStopped, UsageError
from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.state_pair import following, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

KINDS = ["delta_update", "full_update"]
N = {"n": int}


class Waiting(threading.Thread):
    """Waits for a state in a thread; what came of it."""

    def __init__(self, states: Any, *names: str, **options: Any) -> None:
        super().__init__(daemon=True)
        self._wait = lambda: states.wait(*names, **options)
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._wait()
        except Exception as error:  # noqa: BLE001 - it is what came of it
            self.result = error

    def end(self) -> Any:
        self.join(PATIENCE_S)
        assert not self.is_alive()
        return self.result


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_ends_when_the_state_is_live(kind: str) -> None:
    with (
        leading(model(f"{kind}_out", N)) as leader,
        following(model(f"{kind}_in", N), towards(leader.addresses)) as follower,
    ):
        waiting = Waiting(follower.states)
        leader.send(n=1)
        assert waiting.end() is True
        assert follower.status.phase is Phase.LIVE


def test_a_wait_ends_with_the_update_itself_where_no_handler_is_called_for_it() -> None:
    """Not with the next heartbeat, which is far."""
    rarely = {"heartbeat_s": 60.0, "stale_after_s": 120.0}
    with (
        leading(model("delta_update_out", N, **rarely)) as leader,
        following(
            model("delta_update_in", N, **rarely), towards(leader.addresses), has_handler=False
        ) as follower,
    ):
        leader.send(n=0)
        assert follower.states.wait("book", number=0, timeout_s=PATIENCE_S)
        for n in range(1, 100):
            waiting = Waiting(follower.states, "book", number=n)
            leader.send(n=n)
            assert waiting.end() is True


@pytest.mark.parametrize("kind", KINDS)
def test_a_wait_for_a_number_ends_when_that_update_is_in_the_value(kind: str) -> None:
    with (
        leading(model(f"{kind}_out", N)) as leader,
        following(model(f"{kind}_in", N), towards(leader.addresses)) as follower,
    ):
        waiting = Waiting(follower.states, "book", number=3)
        for n in range(3):
            assert leader.send(n=n) == n
            assert follower.states.wait("book", number=n, timeout_s=PATIENCE_S)
        assert waiting.is_alive()
        leader.send(n=3)
        assert waiting.end() is True
        assert follower.value == {"n": 3}


@pytest.mark.parametrize("timeout_s", [math.inf, 1e12, pytest.param(10**400, id="huge")])
def test_a_wait_may_be_given_all_the_time_that_there_is(timeout_s: float) -> None:
    with (
        leading(model("full_update_out", N)) as leader,
        following(model("full_update_in", N), towards(leader.addresses)) as follower,
    ):
        waiting = Waiting(follower.states, "book", number=0, timeout_s=timeout_s)
        leader.send(n=1)
        assert waiting.end() is True


@pytest.mark.parametrize("given", [{"timeout_s": "1"}, {"number": "1"}])
def test_what_is_no_number_is_refused_at_once(given: dict[str, Any]) -> None:
    (named,) = given
    with (
        leading(model("full_update_out", N)) as leader,
        following(model("full_update_in", N), towards(leader.addresses)) as follower,
        pytest.raises((UsageError, InvalidArguments), match=rf"states\.wait: {named}: expected"),
    ):
        follower.states.wait("book", **given)


def test_a_wait_says_that_the_time_was_over() -> None:
    with (
        leading(model("full_update_out", N)) as leader,
        following(model("full_update_in", N), towards(leader.addresses)) as follower,
    ):
        assert follower.states.wait("book", timeout_s=0.05) is False


def test_a_stop_ends_a_wait() -> None:
    with leading(model("full_update_out", N)) as leader:
        with following(model("full_update_in", N), towards(leader.addresses)) as follower:
            waiting = Waiting(follower.states, "book")
        assert isinstance(waiting.end(), ServiceStopped)


def test_a_handler_cannot_wait() -> None:
    with leading(model("delta_update_out", N)) as leader:
        leader.send(n=1)
        seen: list[Any] = []

        def on_update(args: Any, states: Any) -> None:
            seen.append(states)

        module = module_of(
            "waits", state_models={"in": {"book": model("delta_update_in", N, on_update=on_update)}}
        )
        addresses = {"states": {"in": {"book": towards(leader.addresses)}}}
        with running(module, addresses=addresses, console_loglevel=None) as service:
            assert service.states.wait(timeout_s=PATIENCE_S)
            until(lambda: seen, "the update")
            with pytest.raises(UsageError, match=r"states\.wait"):
                seen[0].wait("book")


def test_a_wait_names_the_nearest_state() -> None:
    with (
        leading(model("full_update_out", N)) as leader,
        following(model("full_update_in", N), towards(leader.addresses)) as follower,
    ):
        with pytest.raises(InvalidArguments, match="'book'"):
            follower.states.wait("bok")
        with pytest.raises(InvalidArguments, match="one state"):
            follower.states.wait(number=3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_service_sees_its_own_states(kind: str) -> None:
    with leading(model(f"{kind}_out", N)) as leader:
        states = leader.service.states
        assert states["book"] == states.out["book"] == {}
        assert leader.send(n=1) == 0
        assert states["book"] == states.out["book"] == {"n": 1}
        status = states.status("book")
        assert (status.phase, status.number, status.age_s) == (Phase.LIVE, 0, 0.0)
        assert list(states) == ["book"]


def test_a_handler_sees_at_once_what_it_changed_itself() -> None:
    seen: list[Any] = []

    def on_update(args: Any, to_send: Any, states: Any) -> None:
        to_send("state", "mirror", args)
        seen.append((dict(states["book"]), dict(states["mirror"])))

    with leading(model("delta_update_out", N)) as leader:
        module = module_of(
            "relay",
            state_models={
                "in": {"book": model("delta_update_in", N, on_update=on_update)},
                "out": {"mirror": model("delta_update_out", N)},
            },
        )
        free = {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}
        addresses = {"states": {"in": {"book": towards(leader.addresses)}, "out": {"mirror": free}}}
        with running(module, addresses=addresses, console_loglevel=None) as service:
            leader.send(n=5)
            assert service.states.wait("mirror", number=0, timeout_s=PATIENCE_S)
    assert seen == [({"n": 5}, {"n": 5})]


def test_a_program_sends_through_its_service() -> None:
    with leading(model("delta_update_out", N)) as leader:
        assert leader.service.to_send("state", "book", {"n": 3}) == 0
        assert leader.service.to_send("book", {"n": 4}) == 1
        assert leader.service.states["book"] == {"n": 4}
        stopped = leader.service
    with pytest.raises(ServiceStopped):
        stopped.to_send("book", {"n": 5})


def test_a_service_that_has_not_run_has_no_states_and_sends_nothing() -> None:
    service = Service(service_module=module_of("never"))
    with pytest.raises(UsageError, match="has not run"):
        _ = service.states
    with pytest.raises(UsageError, match="has not run"):
        service.to_send("book", {})
