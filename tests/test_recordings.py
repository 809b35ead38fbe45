"""Recorded markets replayed from one process into another; the recordings tell what is right."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, Process

FOLDER = Path(os.environ.get("SF_ACTORS_DATA", ROOT.parent / "shared" / "data"))
SERVICES = Path(__file__).parent / "recordings"

#: How long a replay may take, in seconds.
PATIENCE_S = 120.0


def replay(name: str, recording: str, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the publisher and the replica say at the end."""
    path = FOLDER / recording
    if not path.exists():
        pytest.skip(f"the recording {path} is not there; SF_ACTORS_DATA may name its folder")
    addresses = {socket: f"ipc://{folder}/{socket}" for socket in ("deltas", "snapshots", "asked")}
    (folder / "out.json").write_text(
        json.dumps(
            {
                "connections": {"out": {"progress": {"requester": addresses["asked"]}}},
                "states": {
                    "out": {
                        "books": {
                            "publisher": addresses["deltas"],
                            "replyer": addresses["snapshots"],
                        }
                    }
                },
            }
        )
    )
    (folder / "in.json").write_text(
        json.dumps(
            {
                "connections": {"in": {"progress": {"replyer": addresses["asked"]}}},
                "states": {
                    "in": {
                        "books": {
                            "subscriber": addresses["deltas"],
                            "requester": addresses["snapshots"],
                        }
                    }
                },
            }
        )
    )
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


def test_the_books_of_ten_futures_agree_with_every_recorded_ticker(tmp_path: Path) -> None:
    sent, seen = replay("futures", "kraken_futures_book_20210722.jsonl.gz", tmp_path)
    assert seen["faults"] == []
    assert (seen["books"], seen["oracles"], seen["agreed"]) == (10, 107, 107)
    assert sent["sent"] == 10 + 7014 + 107
    assert_nothing_was_lost(sent, seen)


def test_the_books_of_ten_pairs_agree_with_every_recorded_checksum(tmp_path: Path) -> None:
    sent, seen = replay("spot", "kraken_spot_book1000_20210417.jsonl.gz", tmp_path)
    assert seen["faults"] == []
    assert (seen["books"], seen["oracles"], seen["agreed"]) == (10, 4269, 4269)
    assert sent["sent"] == 10 + 4269
    assert_nothing_was_lost(sent, seen)


def assert_nothing_was_lost(sent: dict[str, Any], seen: dict[str, Any]) -> None:
    """Check that each number was handled once, in order, and is the last one of the state."""
    assert (seen["handled"], seen["h"]) == (sent["sent"], sent["h"])
    assert seen["number"] == sent["sent"] - 1
    assert (seen["gaps"], seen["resyncs"], seen["phase"]) == (0, 0, "LIVE")
