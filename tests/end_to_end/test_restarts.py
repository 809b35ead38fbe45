"""A replyer is stopped and restarted, and no call of a requester of ours is lost."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RemoteError, RequestTimeout
from sf_actors.testing import running
from tests.support.actor_faults import Slow
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.doubling_service import N, asking, doubling
from tests.support.models import at, counters, replyer, service
from tests.support.noted_jobs import Worker
from tests.support.services import Background
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(params=["ipc", "inproc", "tcp"])
def address(request: pytest.FixtureRequest, tmp_path: Path, new_address: Callable[[], str]) -> str:
    if request.param == "ipc":
        return f"ipc://{tmp_path}/it"
    return "inproc://it" if request.param == "inproc" else new_address()


@pytest.mark.slow
@pytest.mark.parametrize("deduplicate", [True, False])
def test_a_job_that_outlives_several_tries_is_answered_when_it_is_told_to_stop(
    tmp_path: Path, new_address: Callable[[], str], deduplicate: bool
) -> None:
    address = new_address()
    worker = Worker(tmp_path, address, seconds=1.5, deduplicate=deduplicate)
    with worker.start() as process, asking(address, timeout_s=0.6, retries=20) as ours:
        replies: list[Any] = []
        call = Background(lambda: replies.append(ours.ask(7)))
        until(worker.jobs, "the job")
        process.interrupt(signal.SIGTERM)
        assert call.join() is None
        assert replies == [{"n": 14}]
        assert process.wait() == 0
        assert worker.jobs() == [7]


def test_what_a_stopping_replyer_never_began_is_sent_to_its_successor(address: str) -> None:
    slow = Slow()

    def handler(args: dict[str, Any]) -> dict[str, Any]:
        slow(args)
        return {"n": -args["n"]}

    model = replyer(handler, N, N)
    with asking(address, timeout_s=PATIENCE_S) as ours:
        replies: list[Any] = []
        with running(service("first", {"it": model}), addresses=at({"it": address})) as first:
            calls = [Background(lambda: replies.append(ours.ask(1)))]
            slow.wait_for_call()
            calls += [Background(lambda: replies.append(ours.ask(1))) for _ in range(5)]
            until(lambda: counters(first, "it")["received"] == 6, "all requests")
            stop = Background(first.stop_service)
            until(first._run.state.stop_begun.is_set, "the stop")  # type: ignore[union-attr]
            first._run.state.router.cancel_queued()  # type: ignore[union-attr]
            slow.release(1)
            stop.join()
        with doubling(address):
            assert [call.join() for call in calls] == [None] * 6
        assert sorted(reply["n"] for reply in replies) == [-1, 2, 2, 2, 2, 2]
        assert ours.counters["retries"] == 0


def test_a_call_during_the_stop_waits_for_the_successor(address: str) -> None:
    slow = Slow()
    model = replyer(slow, N, {})
    with asking(address, timeout_s=PATIENCE_S) as ours:
        with running(service("first", {"it": model}), addresses=at({"it": address})) as first:
            busy = Background(ours.ask, 1)
            slow.wait_for_call()
            stop = Background(first.stop_service)
            until(lambda: ours_is_told(ours), "the notice")
            replies: list[Any] = []
            call = Background(lambda: replies.append(ours.ask(5)))
            until(lambda: ours.counters["in_flight"] == 2, "the call")
            slow.release(1)
            stop.join()
            busy.join()
            assert counters(first, "it")["handled"] == 1
        with doubling(address):
            assert call.join() is None
        assert replies == [{"n": 10}]


def ours_is_told(ours: Any) -> bool:
    requester = ours.service._run.state.assembly.connections["ask"]
    return any(link.is_stopping for one in requester.exchanges for link in one.links)


def test_a_timeout_says_that_the_other_side_is_stopping(tmp_path: Path) -> None:
    slow = Slow()
    address = f"ipc://{tmp_path}/it"
    with (
        running(
            service("first", {"it": replyer(slow, N, {})}), addresses=at({"it": address})
        ) as first,
        asking(address, timeout_s=0.3) as ours,
    ):
        busy = Background(ours.ask, 1)
        slow.wait_for_call()
        stop = Background(first.stop_service)
        until(lambda: ours_is_told(ours), "the notice")
        with pytest.raises(RequestTimeout, match="is stopping"):
            ours.ask(2)
        slow.release(1)
        stop.join()
        busy.join()


def test_nobody_there_stands_in_the_timeout(tmp_path: Path) -> None:
    with asking(f"ipc://{tmp_path}/it", timeout_s=0.1, retries=2) as ours:

        def told() -> bool:
            with pytest.raises(RequestTimeout, match="tried 3 times") as caught:
                ours.ask(1)
            return "tried 3 times; nobody listens at ipc://" in str(caught.value)

        # a busy machine connects in vain later than the first call ends
        until(told, "that nobody listens")


def test_plain_peers_are_told_nothing_and_answered_that_nothing_was_done(tmp_path: Path) -> None:
    slow = Slow()
    address = f"ipc://{tmp_path}/it"
    with (
        bare(zmq.REQ, connect=address) as busy,
        bare(zmq.REQ, connect=address) as late,
        bare(zmq.REQ, connect=address) as idle,
    ):
        first_model = {"it": replyer(slow, N, {})}
        with running(service("first", first_model), addresses=at({"it": address})) as first:
            busy.send(packed({"args": {"n": 1}, "expires_in_s": 9.5, "request_id": "r"}))
            slow.wait_for_call()
            stop = Background(first.stop_service)
            until(lambda: first._run.state.actors["connections/in/it"].is_draining)  # type: ignore[union-attr]
            late.send(packed({"args": {"n": 2}}))
            error = unpacked(late.recv())["error"]
            assert (error["type"], error["unhandled"]) == ("ServiceStopped", True)
            # a further attempt of the first
            late.send(packed({"args": {"n": 1}, "workflow_id": "w", "request_id": "r"}))
            until(lambda: counters(first, "it")["deduplicated"] == 1, "the repetition")
            slow.release(1)
            assert "return_args" in unpacked(busy.recv())
            assert unpacked(late.recv())["workflow_id"] == "w"
            stop.join()
            assert not idle.poll(0)


def test_a_handler_that_began_and_never_ends_is_answered_without_unhandled(
    tmp_path: Path,
) -> None:
    slow = Slow()
    address = f"ipc://{tmp_path}/it"
    model = {"it": replyer(slow, N, {})}
    with (
        asking(address, timeout_s=PATIENCE_S) as ours,
        running(
            service("first", model), addresses=at({"it": address}), stop_timeout_s=0.3
        ) as first,
    ):
        call = Background(ours.ask, 1)
        slow.wait_for_call()
        stop = Background(first.stop_service)
        error = call.join()
        assert isinstance(error, RemoteError)
        assert error.type == "ServiceStopped"
        slow.release(1)
        stop.join()


@pytest.mark.slow
def test_an_unhandled_call_whose_other_attempt_may_be_at_work_is_not_sent_again(
    tmp_path: Path,
) -> None:
    address = f"ipc://{tmp_path}/it"
    with (
        bare(zmq.ROUTER, bind=address) as router,
        asking(address, timeout_s=0.3, retries=1) as ours,
    ):
        call = Background(ours.ask, 1)
        router.recv_multipart()
        *back, _ = router.recv_multipart()
        failure = {"error": {"type": "ServiceStopped", "message": "", "unhandled": True}}
        router.send_multipart([*back, packed(failure)])
        assert isinstance(call.join(), RequestTimeout)
        assert not router.poll(0)
