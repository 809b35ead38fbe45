"""Asking inspectors: all at once, each within its time, whatever they answer."""

from __future__ import annotations

from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

import sf_actors
from sf_actors import RemoteError, RequestTimeout, UsageError
from sf_actors.errors import FolderError
from sf_actors.inspection.client import MAX_REQUEST_BYTES, MOST_AT_ONCE, InspectorClient, questions
from sf_actors.inspection.inspectors import inspectors_here
from tests.support.stand_in_inspector import stand_in
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


def pong(args: dict[str, Any]) -> dict[str, Any]:
    return {"return_args": args}


def silent(_args: dict[str, Any]) -> None:
    return


def test_there_are_no_places_without_the_folder() -> None:
    assert inspectors_here() == []


def test_a_place_is_named_after_its_process_and_first_service(folder: Path) -> None:
    with stand_in(folder, pong, name="my-desk") as path:
        (inspector,) = inspectors_here()

    assert inspector.address == f"ipc://{path}"
    assert inspector.name == "my-desk"
    assert inspector.pid == int(path.name.partition("-")[0])


def test_answers_come_in_the_order_of_the_questions(folder: Path) -> None:
    with stand_in(folder, pong), InspectorClient() as client:
        (inspector,) = inspectors_here()
        asked = [one for n in range(300) for one in questions([inspector], "ping", n=n)]
        answers = client.ask_all(asked, timeout_s=5)

    assert [answer.value for answer in answers] == [{"verb": "ping", "n": n} for n in range(300)]


def test_no_more_questions_are_open_than_an_inspector_keeps_answers_for(folder: Path) -> None:
    held: list[dict[str, Any]] = []

    with stand_in(folder, held.append), InspectorClient() as client:
        (inspector,) = inspectors_here()
        asked = [one for n in range(50) for one in questions([inspector], "ping", n=n)]
        client.ask_all(asked, timeout_s=0.2)
        until(lambda: len(held) >= MOST_AT_ONCE, "the questions")

    assert len(held) == MOST_AT_ONCE


def test_an_inspector_answers_many_questions_of_one_asker() -> None:
    with closing(sf_actors.inspect()), InspectorClient() as client:
        asked = [one for _ in range(300) for one in questions(inspectors_here(), "stats")]
        answers = client.ask_all(asked, timeout_s=20)

    assert len(answers) == 300
    assert not any(answer.is_silent for answer in answers)


def test_one_that_is_silent_does_not_hold_up_the_answers_of_others(folder: Path) -> None:
    with (
        stand_in(folder, pong, name="a"),
        stand_in(folder, silent, name="b"),
        InspectorClient() as client,
    ):
        began = monotonic()
        answers = client.ask_all(questions(inspectors_here(), "ping"), timeout_s=1.0)
        took_s = monotonic() - began

    assert [answer.is_silent for answer in answers] == [False, True]
    assert 1.0 <= took_s < 5


def test_what_is_enough_ends_the_wait_before_its_time(folder: Path) -> None:
    with (
        stand_in(folder, pong, name="a"),
        stand_in(folder, silent, name="b"),
        InspectorClient() as client,
    ):
        began = monotonic()
        client.ask_all(
            questions(inspectors_here(), "ping"),
            timeout_s=5,
            is_enough=lambda answers: not answers[0].is_silent,
            enough_s=0.1,
        )

    assert monotonic() - began < 4


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one(folder: Path) -> None:
    late: list[dict[str, Any]] = []

    def second(args: dict[str, Any]) -> dict[str, Any] | None:
        late.append(args)
        return None if len(late) == 1 else {"return_args": args}

    with stand_in(folder, second), InspectorClient() as client:
        (inspector,) = inspectors_here()
        with pytest.raises(RequestTimeout, match=r"no answer within 0.1 s"):
            client.ask(inspector, "one", timeout_s=0.1)
        assert client.ask(inspector, "two", timeout_s=5) == {"verb": "two"}


def test_an_error_is_raised_as_what_it_is(folder: Path) -> None:
    def refuse(args: dict[str, Any]) -> dict[str, Any]:
        return {"error": {"type": args["type"], "message": "why"}}

    with stand_in(folder, refuse), InspectorClient() as client:
        (inspector,) = inspectors_here()
        with pytest.raises(RequestTimeout, match="why"):
            client.ask(inspector, "ask", timeout_s=5, type="RequestTimeout")
        with pytest.raises(RemoteError, match="ValueError: why"):
            client.ask(inspector, "ask", timeout_s=5, type="ValueError")


def test_a_request_that_no_inspector_takes_is_not_sent(folder: Path) -> None:
    with stand_in(folder, pong), InspectorClient() as client:
        (inspector,) = inspectors_here()
        with pytest.raises(UsageError, match="at most 1048576 bytes"):
            client.ask(inspector, "ask", timeout_s=5, args="x" * MAX_REQUEST_BYTES)


def test_many_calls_are_under_way_at_once_and_each_is_timed(folder: Path) -> None:
    with stand_in(folder, pong), InspectorClient() as client:
        (question,) = questions(inspectors_here(), "ping")
        answers = list(client.ask_again(question, 100, at_once=7, timeout_s=5))

    assert len(answers) == 100
    assert all(answer.value == {"verb": "ping"} and took_s > 0 for answer, took_s in answers)


def test_calls_that_are_not_answered_end_after_their_time(folder: Path) -> None:
    with stand_in(folder, silent), InspectorClient() as client:
        (question,) = questions(inspectors_here(), "ping")
        answers = list(client.ask_again(question, 3, at_once=2, timeout_s=0.1))

    assert [answer.is_silent for answer, _ in answers] == [True] * 3


@pytest.mark.slow
def test_a_socket_that_refuses_is_no_place_and_is_removed_once_it_is_old(folder: Path) -> None:
    with stand_in(folder, pong) as path:
        pass
    import socket

    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    assert inspectors_here() == []
    until(lambda: (inspectors_here(), not path.exists())[1])


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    folder.chmod(0o750)
    with pytest.raises(FolderError, match="chmod 700"):
        inspectors_here()


def test_a_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(FolderError, match="expected a folder"):
        inspectors_here()


def test_a_folder_that_is_too_long_for_sockets_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    with pytest.raises(FolderError, match="too long for a socket's path"):
        inspectors_here()
