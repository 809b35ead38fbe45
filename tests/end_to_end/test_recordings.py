"""Recorded markets replayed from one process into another; the recordings tell what is right."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.replicas.fault_proxy import between
from tests.support.effort import IS_FULL
from tests.support.processes import ROOT, Process
from tests.support.state_pair import towards

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.replicas.fault_proxy import Judge

pytestmark = pytest.mark.slow

FOLDER = Path(os.environ.get("SF_ACTORS_DATA", ROOT.parent / "shared" / "data"))
SERVICES = Path(__file__).parent.parent / "recordings"

#: How long a replay may take, in seconds.
PATIENCE_S = 120.0


RECORDINGS = {
    "futures": "kraken_futures_book_20210722.jsonl.gz",
    "spot": "kraken_spot_book1000_20210417.jsonl.gz",
}


#: Outside CI each recording is replayed once: the one, and the other over a bad network.
WHERE_FULL = pytest.mark.skipif(not IS_FULL, reason="in CI alone")


def path_of(name: str) -> Path:
    """Return where a recording is; without it the test is skipped."""
    path = FOLDER / RECORDINGS[name]
    if not path.exists():
        pytest.skip(f"the recording {path} is not there; SF_ACTORS_DATA may name its folder")
    return path


def bound_in(folder: Path) -> dict[str, str]:
    """Return the addresses of the publisher's state."""
    return {"publisher": f"ipc://{folder}/deltas", "replyer": f"ipc://{folder}/snapshots"}


def replay(
    name: str, folder: Path, addresses: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the publisher and the replica say at the end.

    :param addresses: of the replica's state, if it is not to connect to the publisher itself
    """
    path, asked = path_of(name), f"ipc://{folder}/asked"
    out = {
        "connections": {"out": {"progress": {"requester": asked}}},
        "states": {"out": {"books": bound_in(folder)}},
    }
    followed = dict(addresses or towards(bound_in(folder)))
    in_ = {
        "connections": {"in": {"progress": {"replyer": asked}}},
        "states": {"in": {"books": followed}},
    }
    (folder / "out.json").write_text(json.dumps(out))
    (folder / "in.json").write_text(json.dumps(in_))
    follow = ("-s", str(SERVICES / f"{name}_in.py"), "-a", "in.json")
    publish = ("-s", str(SERVICES / f"{name}_out.py"), "-a", "out.json", "-m")
    with (
        Process(*follow, cwd=folder) as replica,
        Process(*publish, "--recording", str(path), cwd=folder) as publisher,
    ):
        sent = json.loads(publisher.wait_for_line('{"sent"', PATIENCE_S))
        assert publisher.wait() == 0
        replica.interrupt(signal.SIGINT)
        seen = json.loads(replica.wait_for_line('{"handled"'))
        assert replica.wait() == 0
    return sent, seen


@WHERE_FULL
def test_the_books_of_ten_futures_agree_with_every_recorded_ticker(tmp_path: Path) -> None:
    sent, seen = replay("futures", tmp_path)
    assert seen["faults"] == []
    assert (seen["books"], seen["oracles"], seen["agreed"]) == (10, 107, 107)
    assert sent["sent"] == 10 + 7014 + 107
    assert_nothing_was_lost(sent, seen)


def test_the_books_of_ten_pairs_agree_with_every_recorded_checksum(tmp_path: Path) -> None:
    sent, seen = replay("spot", tmp_path)
    assert seen["faults"] == []
    assert (seen["books"], seen["oracles"], seen["agreed"]) == (10, 4269, 4269)
    assert sent["sent"] == 10 + 4269
    assert_nothing_was_lost(sent, seen)


@pytest.mark.parametrize("name", RECORDINGS if IS_FULL else ["futures"])
def test_a_recording_survives_a_bad_network_number_by_number(name: str, tmp_path: Path) -> None:
    """What is shown between faults and resyncs is checked by the recorded oracles as well."""
    path_of(name)
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    with between(bound_in(tmp_path), now_and_then(seed)) as proxy:
        sent, seen = replay(name, tmp_path, proxy.addresses)
        assert {fault for _, fault in proxy.counts} >= {"drop", "duplicate", "reorder", "truncate"}
    assert seen["faults"] == []
    assert (seen["books"], seen["agreed"]) == (10, seen["oracles"])
    assert (seen["handled"], seen["h"]) == (sent["sent"], sent["h"])
    assert (seen["number"], seen["phase"]) == (sent["sent"] - 1, "LIVE")
    assert seen["gaps"] > 0


def now_and_then(seed: int) -> Judge:
    """Return a judge for long runs: one message of 400 has a fault, each kind in turn."""
    faults = ("drop", "duplicate", "reorder", "truncate")

    def judge(_channel: str, index: int, _frame: bytes) -> str:
        turn, place = divmod(index, 400)
        return faults[turn % len(faults)] if place == seed % 400 else ""

    return judge


def assert_nothing_was_lost(sent: dict[str, Any], seen: dict[str, Any]) -> None:
    """Check that each number was handled once, in order, and is the last one of the state."""
    assert (seen["handled"], seen["h"]) == (sent["sent"], sent["h"])
    assert seen["number"] == sent["sent"] - 1
    assert (seen["gaps"], seen["resyncs"], seen["phase"]) == (0, 0, "LIVE")
