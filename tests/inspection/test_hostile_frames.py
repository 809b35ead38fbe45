"""The inspector among thousands of frames of no sense, and of too much."""

from __future__ import annotations

import os
import random
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import zmq

import sf_actors
from tests.inspection.asking import asker_of
from tests.support.effort import effort
from tests.support.services import echo_service
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

SEED = os.environ.get("SF_ACTORS_SEED") or str(random.SystemRandom().randrange(2**32))
FRAMES = effort(20_000, brief=2_000)

#: As often somebody asks in earnest.
EACH = 500

#: How long that may take meanwhile, in seconds: the frames before it are read first.
LONGEST_S = 5.0

VERBS = ("ping", "info", "stats", "ask", "publish", "loglevel", "tap", "pong", "", "\x1b[31m", 7)
VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda _: None,
    lambda _: "service_under_test",
    lambda draw: draw.randbytes(draw.randrange(40)),
    lambda draw: draw.choice([-1, 2**63, 1.5, float("inf"), True]),
    lambda draw: {"n": draw.choice([1, "1", None, [1], {}])},
    lambda draw: ["x"] * draw.randrange(50),
    lambda draw: "\x1b]0;" + "ä" * draw.randrange(200),
)
KEYS = ("service", "model", "args", "timeout_s", "console", "file", "nonsense")


def question(draw: random.Random) -> bytes:
    """Return a question of some verb, with whatever arguments."""
    arguments = {key: draw.choice(VALUES)(draw) for key in draw.sample(KEYS, draw.randrange(5))}
    whole = msgspec.msgpack.encode({"args": {"verb": draw.choice(VERBS), **arguments}})
    if draw.random() < 0.2:
        # one byte of it is another
        place = draw.randrange(len(whole))
        whole = whole[:place] + draw.randbytes(1) + whole[place + 1 :]
    return whole


def message(draw: random.Random) -> list[bytes]:
    """Return the frames of one message."""
    if draw.random() < 0.7:
        return [b"", question(draw)]
    return [draw.randbytes(draw.randrange(60)) for _ in range(draw.randrange(1, 6))]


def test_no_frame_keeps_the_inspector_from_answering() -> None:
    draw = random.Random(SEED)
    context = zmq.Context()
    with echo_service():
        inspection = sf_actors.inspect()
        try:
            with asker_of(inspection.address) as asker, context.socket(zmq.DEALER) as hostile:
                hostile.linger, hostile.rcvhwm = 0, 10
                hostile.connect(inspection.address or "")
                for number in range(FRAMES):
                    hostile.send_multipart(message(draw))
                    if number % EACH == 0:
                        began = monotonic()
                        assert asker.ask("ping")["services"], f"seed {SEED}, frame {number}"
                        took_s = monotonic() - began
                        assert took_s < LONGEST_S, f"seed {SEED}, frame {number}: {took_s:.1f} s"

                def has_dropped() -> bool:
                    process = asker.ask("stats")["process"]
                    return bool(process["inspector_dropped"] > FRAMES // 20)

                until(has_dropped, f"what is no question; seed {SEED}", patience_s=60.0)
        finally:
            inspection.close()
            context.term()
