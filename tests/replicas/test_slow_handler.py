"""A handler far slower than its feed: the value in `main` stays fresh, and is never said to be.

``SF_ACTORS_SOAK=1`` lets the feed go on for a minute.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import pytest

from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.replicas.state_processes import bound_by
from tests.support.effort import effort
from tests.support.models import ANY_PORT
from tests.support.processes import PATIENCE_S, Process
from tests.support.state_pair import model, towards
from tests.support.waiting import stalls

pytestmark = pytest.mark.slow

FEED_S = 60.0 if "SF_ACTORS_SOAK" in os.environ else effort(4, brief=2)
STALE_AFTER_S = 1.0

#: How much later than with a machine of one's own something may be noticed, in seconds.
LATE_S = 0.5

PUBLISHING = """
import threading
from time import perf_counter

state_models = {
    'out': {
        'book': {
            'state_type': '%s_update_out',
            'optional_creation_arguments': {'heartbeat_s': 0.4},
            'required_arguments': {'made_at': float},
        }
    }
}

def main(to_send):
    while True:
        to_send('state', 'book', {'made_at': perf_counter()})
        threading.Event().wait(0.005)
"""


def memory_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@pytest.mark.parametrize("kind", ["delta", "full"])
def test_a_value_is_fresh_beside_a_slow_handler_and_stale_in_time_when_its_publisher_is_killed(
    tmp_path: Path, kind: str
) -> None:
    called: list[Any] = []

    def on_update(update: Any) -> None:
        called.append(update)
        threading.Event().wait(0.025)

    book = model(
        f"{kind}_update_in",
        {"made_at": float},
        on_update=on_update,
        heartbeat_s=0.4,
        stale_after_s=STALE_AFTER_S,
        high_water_mark=100,
    )
    module = module_of("slow", state_models={"in": {"book": book}})
    (tmp_path / "publishing.py").write_text(PUBLISHING % kind)
    sockets = ["publisher", "replyer"] if kind == "delta" else ["publisher"]
    bound = {"states": {"out": {"book": dict.fromkeys(sockets, ANY_PORT)}}}
    (tmp_path / "a.json").write_text(json.dumps(bound))
    with Process("-s", "publishing.py", "-m", "-a", "a.json", cwd=tmp_path) as publisher:
        if kind == "delta":
            addresses = towards(bound_by(publisher))
        else:
            addresses = {"subscriber": publisher.wait_until_ready()["book.publisher"]}
        where = {"states": {"in": {"book": addresses}}}
        with running(module, addresses=where, console_loglevel=None) as service:
            states = service.states
            assert states.wait(timeout_s=PATIENCE_S)
            ages_s, look = [], threading.Event()
            before_mb, until = memory_mb(), monotonic() + FEED_S
            while monotonic() < until:
                look.wait(0.001)
                status, made_at = states.status("book"), states["book"]["made_at"]
                ages_s.append(perf_counter() - made_at)
                assert status.phase is not Phase.LIVE or status.age_s < STALE_AFTER_S
            grown_mb = memory_mb() - before_mb
            publisher.interrupt(signal.SIGKILL)
            publisher.wait()
            killed_at = monotonic()
            with stalls() as stalled:
                while states.status("book").phase is Phase.LIVE:
                    look.wait(0.001)
                stale_s = monotonic() - killed_at
            numbers = service.stats()["states"]["in"]["book"]
    # a busy machine makes some older; behind a handler of 25 ms they would all be, more and more
    age_s = median(ages_s[len(ages_s) // 2 :])
    print(f"{age_s=:.3f} {max(ages_s)=:.3f} {stale_s=:.3f} {grown_mb=:.1f} {numbers['conflated']=}")  # noqa: T201
    assert age_s < 0.1
    assert stale_s < STALE_AFTER_S + 0.2 + LATE_S + stalled.total_s
    assert grown_mb < 20
    assert numbers["conflated"] > 0
    assert [update.number for update in called] == sorted({update.number for update in called})
