"""Who sends ids, and until when: a server may answer one request twice."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors.sockets.frames import ANSWERS_ONCE, CALL_ID
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.doubling_service import asking, doubling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Takes the frames of a request and returns the messages of the answer.
    Answering = Callable[[list[bytes]], list[list[bytes]]]

pytestmark = pytest.mark.slow

CALLS = 50
OUR_ID = CALL_ID + b"of the test"


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/it"


def echoed(frames: list[bytes]) -> list[bytes]:
    return [*frames[:-1], packed({"return_args": unpacked(frames[-1])["args"]})]


def asked(address: str, answers: Answering, *, calls: int) -> tuple[list[Any], list[int]]:
    """Call a bare server; return the replies, and the number of frames of each request."""
    sizes: list[int] = []
    with asking(address) as ours, bare(zmq.ROUTER, bind=address) as router:

        def serve() -> None:
            for _ in range(calls):
                frames = router.recv_multipart()
                sizes.append(len(frames))
                for answer in answers(frames):
                    router.send_multipart(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        replies = [ours.ask(n)["n"] for n in range(calls)]
        thread.join()
    return replies, sizes


def test_the_second_answer_to_a_request_is_not_taken_for_that_of_the_next_call(
    address: str,
) -> None:
    replies, _ = asked(address, lambda frames: [echoed(frames)] * 2, calls=CALLS)

    assert replies == list(range(CALLS))


def test_a_server_that_does_not_say_that_it_answers_once_gets_an_id_with_each_request(
    address: str,
) -> None:
    _, sizes = asked(address, lambda frames: [echoed(frames)], calls=5)

    assert sizes == [4] * 5


def test_one_that_says_so_gets_none_with_a_request_that_is_alone(address: str) -> None:
    def greeting(frames: list[bytes]) -> list[list[bytes]]:
        greets = len(frames) == 4
        return [*[[frames[0], ANSWERS_ONCE, b"", b""]] * greets, echoed(frames)]

    replies, sizes = asked(address, greeting, calls=5)

    assert (replies, sizes) == (list(range(5)), [4, 3, 3, 3, 3])


def test_a_replyer_says_once_to_a_requester_of_ours_that_it_answers_once(address: str) -> None:
    with doubling(address), bare(zmq.DEALER, connect=address) as ours:
        for n in range(3):
            ours.send_multipart([OUR_ID + b"%d" % n, b"", packed({"args": {"n": n}})])
        found = [ours.recv_multipart() for _ in range(4)]

    greetings = [frames for frames in found if frames[0] == ANSWERS_ONCE]
    assert greetings == [[ANSWERS_ONCE, b"", b""]]
    assert found[0][0] == OUR_ID + b"0"


def test_it_says_nothing_to_others(address: str) -> None:
    with doubling(address), bare(zmq.DEALER, connect=address) as other:
        for id_ in ([], [b"their own id"], []):
            other.send_multipart([*id_, b"", packed({"args": {"n": 4}})])
            assert unpacked(other.recv_multipart()[-1])["return_args"] == {"n": 8}
