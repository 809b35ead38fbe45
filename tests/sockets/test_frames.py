"""Frames: an answer goes back to who asked, or is counted as lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import zmq

from sf_actors.counters import Counters
from sf_actors.sockets import frames
from sf_actors.sockets.frames import receive_frames, send_answer, split_address
from tests.support.bare_sockets import PATIENCE_MS, bare

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_answer_goes_back_to_who_asked(tmp_path: Path) -> None:
    counters = Counters("dropped")
    address = f"ipc://{tmp_path}/asked"
    with bare(zmq.ROUTER, bind=address) as router, bare(zmq.REQ, connect=address) as asking:
        asking.send(b"question")
        assert router.poll(PATIENCE_MS)
        way_back, question = split_address(receive_frames(router, addresses=1))
        send_answer(router, way_back, b"answer to " + question, counters)

        assert asking.recv() == b"answer to question"
    assert counters.dropped == {}


def test_an_answer_is_counted_before_its_receiver_can_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counters = Counters("sent")
    counted: list[int] = []
    monkeypatch.setattr(frames, "send_frame", lambda *_: counted.append(counters.sent))
    with bare(zmq.ROUTER, bind="inproc://asked") as router:
        send_answer(router, [b"somebody", b""], b"answer", counters)
        send_answer(router, [b"somebody", b""], b"answer", counters, is_counted=False)
    assert counted == [0, 0, 1, 1, 1, 1]


def test_an_answer_for_who_is_gone_is_counted(tmp_path: Path) -> None:
    counters = Counters("dropped")
    with bare(zmq.ROUTER, bind=f"ipc://{tmp_path}/asked") as router:
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)

        send_answer(router, [b"nobody", b""], b"answer", counters)
    assert counters.dropped == {"peer_gone": 1}


def test_an_answer_for_who_reads_none_is_counted(tmp_path: Path) -> None:
    counters = Counters("dropped")
    address = f"ipc://{tmp_path}/asked"
    with bare(zmq.ROUTER) as router, bare(zmq.DEALER) as asking:
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        router.sndhwm = asking.rcvhwm = 1
        router.bind(address)
        asking.connect(address)
        asking.send_multipart([b"", b"question"])
        assert router.poll(PATIENCE_MS)
        way_back, _ = split_address(receive_frames(router, addresses=1))
        for _ in range(1_000):
            if counters.dropped:
                break
            send_answer(router, way_back, b"x" * 100_000, counters)
    assert counters.dropped == {"queue_full": 1}
