"""Peers that mean ill hold thousands of conversations with a service, and honest ones feel none.

One thing they do not say is PING: libzmq 4.3.5 aborts the process when it comes to one after its
sender has filled our queue and reset the connection, and no option of a socket prevents that.

``SF_ACTORS_CONVERSATIONS`` sets how many there are, ``SF_ACTORS_SEED`` the seed of a run that is to
be had again; the seed, and the conversations that began last, stand in each failure.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.security.attack import Attack
from tests.security.besieged import Besieged
from tests.security.conversations import conversation
from tests.security.curve_peers import CurvePeers
from tests.security.honest import Honest
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.security.besieged import Held
    from tests.security.conversations import Conversation
    from tests.security.keyrings import Keyring

pytestmark = pytest.mark.slow

CONVERSATIONS = effort(3_000, brief=250, variable="SF_ACTORS_CONVERSATIONS")
SEED = os.environ.get("SF_ACTORS_SEED") or str(random.SystemRandom().randrange(2**32))

#: How many of them are with a service without keys, where more of what they say is heard.
SHARE_WITHOUT_KEYS = 0.75

#: Each such conversation with a service with keys is one through libzmq.
CURVE_SHARE = 3

#: Conversations until the process has what it keeps.
WARM_UP = 500

#: How much more it may have in use afterwards, and at most hold of the system, in MB.
MAX_GROWTH_MB = 30.0
MAX_RESIDENT_MB = 300.0

#: How long the slowest honest call may take, in seconds, when many others are at it.
MAX_CALL_S = 5.0

#: How soon what the peers held is given back, in seconds.
GIVEN_BACK_S = 60.0


@pytest.mark.parametrize("with_keys", [False, True], ids=["without keys", "with keys"])
def test_no_conversation_harms_a_service_or_its_honest_peers(
    with_keys: bool, server: Keyring, friend: Keyring, stranger: Keyring, tmp_path: Path
) -> None:
    share = 1 - SHARE_WITHOUT_KEYS if with_keys else SHARE_WITHOUT_KEYS
    count = max(WARM_UP, int(CONVERSATIONS * share))
    keys = server.folder if with_keys else None
    with (
        Besieged(tmp_path, keys) as besieged,
        Honest(besieged, (friend, server) if with_keys else None) as honest,
        CurvePeers(server, friend, stranger) as curve_peers,
    ):
        targets = besieged.targets()

        def require_well(_next: Conversation | None = None) -> None:
            status = besieged.process.popen.poll()
            assert status is None, f"the process ended with {status}"
            honest.require_well()

        def conversations(first: int, end: int) -> Iterator[Conversation]:
            for number in range(first, end):
                if with_keys and number % CURVE_SHARE == 0:
                    curve_peers.hold(SEED, number, targets)
                else:
                    yield conversation(SEED, number, targets, keys=with_keys)

        honest.wait_until_all_is_well()
        at_first = besieged.held()
        begun = monotonic()
        attack = Attack(require_well)
        try:
            with attack:
                attack.run(conversations(0, WARM_UP))
                warm = honest.measured()
                attack.run(conversations(WARM_UP, count))
            took_s = monotonic() - begun
            curve_peers.close()
            given_back_s = time_until_given_back(besieged, at_first.descriptors)
            at_last = measured_when_settled(honest, warm.in_use_mb + MAX_GROWTH_MB)
            honest.require_in_step()
            honest.end()
            require_well()
            besieged.process.interrupt(signal.SIGTERM)
            status = besieged.process.wait()
            assert status == 0, besieged.last_words()
            sys.stdout.write(
                f"seed {SEED}: {attack}, {curve_peers.begun} through libzmq, in {took_s:.1f} s; "
                f"{honest}; {honest.seen['told']} hostile messages handled; "
                f"{warm.in_use_mb:.0f} MB in use when warm, {at_last.in_use_mb:.0f} MB at last, "
                f"{warm.resident_mb:.0f} and {at_last.resident_mb:.0f} MB resident, "
                f"{at_last.highest_mb:.0f} MB at most; "
                f"descriptors given back within {given_back_s:.2f} s\n"
            )
            grown_mb = at_last.in_use_mb - warm.in_use_mb
            refused = honest.seen["by a refused peer"]
            bounds = {
                "no hostile message was handled": honest.seen["told"] > 0,
                f"{refused} messages of peers that speak no ZMTP 3 were handled": not refused,
                f"{grown_mb:.0f} MB more than after the warm-up": grown_mb < MAX_GROWTH_MB,
                f"{at_last.highest_mb:.0f} MB at most": at_last.highest_mb < MAX_RESIDENT_MB,
                f"an honest call of {honest.slowest_s:.1f} s": honest.slowest_s < MAX_CALL_S,
            }
            assert all(bounds.values()), [what for what, is_kept in bounds.items() if not is_kept]
        except BaseException as error:
            what = str(error).partition("\n")[0]
            raise AssertionError(
                f"seed {SEED}, {attack.begun} of {count} conversations: {what}; "
                f"{besieged.last_words()}; those that began last, the latest first:\n"
                f"{attack.recent()}"
            ) from error


def measured_when_settled(honest: Honest, in_use_mb: float) -> Held:
    """Return what the service holds when what it had still queued is handled, or the time is over.

    :param in_use_mb: no more than that is expected to be in use then
    """
    pause, until = threading.Event(), monotonic() + GIVEN_BACK_S
    while (found := honest.measured()).in_use_mb >= in_use_mb and monotonic() < until:
        pause.wait(0.1)
    return found


def time_until_given_back(besieged: Besieged, descriptors: int) -> float:
    """Return how many seconds it takes until the service has no more descriptors than these.

    Those of subscribers that left are given back last: a publisher takes in their topics one after
    the other while it sends, and holds what it had queued for them until then.
    """
    begun = monotonic()
    pause = threading.Event()
    while besieged.held().descriptors > descriptors:
        pause.wait(0.02)
        took_s = monotonic() - begun
        assert took_s < GIVEN_BACK_S, (
            f"{besieged.held().descriptors} descriptors after {took_s:.0f} s, {descriptors} "
            f"before: {dict(besieged.connections())}"
        )
    return monotonic() - begun
