"""A newcomer's second system: an admin of 5,000 flags, and twenty workers that follow them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import RemoteError, Service, counterpart
from sf_actors.testing import module_of, running
from tests.support.processes import Process
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.slow

FILES = Path(__file__).parent.parent / "newcomer" / "flags"


def caller() -> ModuleType:
    """Return a service that switches flags and asks for them, by the models of the newcomer.

    It follows the flags too: so its requests carry how far it is, and no worker is behind that.
    """
    shared: dict[str, Any] = {}
    exec((FILES / "flags.py").read_text(), shared)
    # on a busy machine it may take longer than the usual second to hear of its own change
    switch = {**shared["SWITCH"], "optional_creation_arguments": {"catch_up_s": 30.0}}
    return module_of(
        connection_models={"out": {"switch": switch, "ask": shared["ASK"]}},
        state_models={"in": {"flags": counterpart(shared["FLAGS"])}},
    )


def answers(calling: Service, flag: str, count: int = 200) -> list[dict[str, Any]]:
    with ThreadPoolExecutor(40) as pool:
        ask = [pool.submit(calling.to_send, "ask", {"flag": flag}) for _ in range(count)]
        return [one.result() for one in ask]


def test_what_the_admin_switches_is_what_each_worker_answers_next(tmp_path: Path) -> None:
    place = "127.0.0.1:0"
    addresses = tmp_path / "addresses.json"
    flags = {"publisher": place, "replyer": place}
    addresses.write_text(
        json.dumps({"connections": {"in": {"switch": place}}, "states": {"out": {"flags": flags}}})
    )
    with Process("-s", "admin.py", "-a", str(addresses), cwd=FILES) as admin:
        bound = admin.wait_until_ready()
        fleet_of = [f"--{name}={bound[f'flags.{name}']}" for name in ("publisher", "replyer")]
        with Process("-s", "fleet.py", "-m", "-cl", "WARNING", *fleet_of, cwd=FILES) as fleet:
            workers = fleet.wait_for_line(lambda line: line.startswith("127.0.0.1:")).split()
            asked = {"out": {"switch": bound["switch.replyer"], "ask": workers}}
            follows = {"subscriber": bound["flags.publisher"], "requester": bound["flags.replyer"]}
            places = {"connections": asked, "states": {"in": {"flags": follows}}}
            with running(caller(), addresses=places) as calling:
                assert calling.states.wait("flags", timeout_s=PATIENCE_S)
                seen: set[str] = set()

                def all_have_answered() -> bool:
                    before = answers(calling, "flag-7")
                    assert {one["is_on"] for one in before} == {False}
                    seen.update(one["worker"] for one in before)
                    return len(seen) == 20

                until(all_have_answered, "all take part")

                switched = calling.to_send("switch", {"flag": "flag-7", "is_on": True})

                assert switched == {"on": 2_501}, "the admin reads its own state"
                assert {one["is_on"] for one in answers(calling, "flag-7")} == {True}
                with pytest.raises(RemoteError, match="there is no flag-5000"):
                    calling.to_send("switch", {"flag": "flag-5000", "is_on": True})
            for process in (fleet, admin):
                process.interrupt()
                assert process.wait() == 0, process.err
