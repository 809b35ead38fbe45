"""What expired while it was queued is dropped: its caller waits no longer."""

from __future__ import annotations

from contextlib import ExitStack
from time import sleep
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RequestTimeout
from sf_actors.connections.replyer import QUICK_CALLS, QUICK_S
from tests.support.actor_faults import Slow, asking, serving
from tests.support.bare_sockets import ask, bare, packed, unpacked
from tests.support.doubling_service import asking as asking_service
from tests.support.models import counters
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors import Service
    from tests.support.bare_sockets import Socket


def dropped(served: Service) -> Any:
    return counters(served, "it")["dropped"]


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture(params=[{}, {"deduplicate": True}], ids=["", "deduplicate"])
def served(slow: Slow, request: pytest.FixtureRequest) -> Iterator[Service]:
    with serving(slow, {"n": int}, **request.param) as served:
        yield served


def keep_busy(sockets: ExitStack, served: Service, slow: Slow) -> Socket:
    """Have the handler at work until the test lets it go on."""
    socket = sockets.enter_context(asking(served))
    socket.send(packed({"args": {"n": 0}}))
    slow.wait_for_call()
    return socket  # type: ignore[no-any-return]


def test_a_request_that_expires_behind_another_is_dropped_without_an_answer(
    served: Service, slow: Slow
) -> None:
    with ExitStack() as sockets:
        busy = keep_busy(sockets, served, slow)
        late = sockets.enter_context(asking(served))
        late.send(packed({"args": {"n": 1}, "request_id": "a", "expires_in_s": 0.05}))
        until(lambda: counters(served, "it")["received"] == 2, "the second request")
        assert not late.poll(200), "its time is over"
        slow.release(1)
        busy.recv()
        until(lambda: dropped(served) == {"expired": 1}, "the drop")
        assert not late.poll(20)
        assert counters(served, "it")["handled"] == 1
        assert (counters(served, "it")["in_flight"], counters(served, "it")["queued"]) == (0, 0)

        # under the id of one that was dropped, with `deduplicate` too
        slow.release(1)
        again = sockets.enter_context(asking(served))
        assert "return_args" in ask(again, {"args": {"n": 1}, "request_id": "a"})


@pytest.mark.parametrize("left_s", [PATIENCE_S, None])
@pytest.mark.parametrize("is_over", [False, True], ids=["in time", "too late"])
def test_a_repetition_that_has_time_left_is_answered_though_the_first_attempt_expires(
    slow: Slow, left_s: float | None, is_over: bool
) -> None:
    with serving(slow, {"n": int}, deduplicate=True) as served, ExitStack() as sockets:
        busy = keep_busy(sockets, served, slow)
        first, again = (sockets.enter_context(asking(served)) for _ in range(2))
        attempt = {"args": {"n": 1}, "request_id": "a"}
        expires_in_s = 0.01 if is_over else 1.0
        first.send(packed(attempt | {"expires_in_s": expires_in_s}))
        until(lambda: counters(served, "it")["received"] == 2, "the first attempt")
        sleep(0.02)
        again.send(packed(attempt | ({} if left_s is None else {"expires_in_s": left_s})))
        until(lambda: counters(served, "it")["deduplicated"] == 1, "the repetition")
        sleep(expires_in_s)
        slow.release(2)
        busy.recv()
        assert "return_args" in unpacked(again.recv())
        assert (counters(served, "it")["handled"], dropped(served)) == (2, {})


def test_a_request_that_has_time_left_waits_for_its_turn(served: Service, slow: Slow) -> None:
    with ExitStack() as sockets:
        busy = keep_busy(sockets, served, slow)
        late = sockets.enter_context(asking(served))
        late.send(packed({"args": {"n": 1}, "expires_in_s": PATIENCE_S}))
        until(lambda: counters(served, "it")["received"] == 2, "the second request")
        slow.release(2)
        busy.recv()
        assert "return_args" in unpacked(late.recv())
        assert dropped(served) == {}


@pytest.mark.parametrize("seconds", [0, -1, -0.5, 0.0, -(2**63)])
def test_nothing_left_is_expired_at_once(seconds: float) -> None:
    with serving(lambda args: {}) as served, asking(served) as req:
        req.send(packed({"args": {}, "expires_in_s": seconds}))
        until(lambda: dropped(served) == {"expired": 1}, "the drop")
        assert counters(served, "it")["handled"] == 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0",
        [0],
        {},
        False,
        True,
        b"\0",
        float("nan"),
        float("inf"),
        float("-inf"),
        [[[]]] * 50,
    ],
    ids=repr,
)
@pytest.mark.parametrize("deduplicate", [False, True])
def test_what_is_no_finite_number_counts_as_absent(value: Any, deduplicate: bool) -> None:
    with (
        serving(lambda args: {}, deduplicate=deduplicate) as served,
        asking(served) as req,
    ):
        message = {"args": {}, "workflow_id": None, "request_id": "r", "expires_in_s": value}
        assert "return_args" in ask(req, message)


@pytest.mark.slow
def test_a_request_says_how_long_its_caller_waits_with_all_its_retries(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        bare(zmq.ROUTER, bind=address) as router,
        asking_service(address, timeout_s=0.2, retries=2) as ours,
    ):
        with pytest.raises(RequestTimeout):
            ours.ask(1)
        left = [unpacked(router.recv_multipart()[-1])["expires_in_s"] for _ in range(3)]
        # of all that is left, of which a busy machine may have taken some
        assert 0.25 < left[0] < 0.601
        assert left[1] < min(left[0], 0.401)
        assert left[2] < min(left[1], 0.201)


def test_a_handler_that_was_quick_and_turns_slow_lets_no_more_than_one_call_wait_unread() -> None:
    slow = Slow()
    quick = iter([True] * (QUICK_CALLS + 5))
    with (
        serving(lambda args: {} if next(quick, False) else slow(args)) as served,
        ExitStack() as sockets,
    ):
        first = sockets.enter_context(asking(served))
        for _ in range(QUICK_CALLS + 5):
            ask(first, {"args": {}})
        first.send(packed({"args": {}}))
        slow.wait_for_call()
        assert not first.poll(int(2_000 * QUICK_S)), "it takes longer than quick ones do"
        slow.release(1)
        first.recv()
        first.send(packed({"args": {}}))
        slow.wait_for_call()
        late = sockets.enter_context(asking(served))
        late.send(packed({"args": {}, "expires_in_s": 0.01}))
        until(lambda: counters(served, "it")["received"] == QUICK_CALLS + 8, "the last request")
        assert not late.poll(100)
        slow.release(1)
        first.recv()
        until(lambda: dropped(served) == {"expired": 1}, "the drop")
