"""What is seen of a replica's phases: status, numbers, log and `on_status` agree."""

from __future__ import annotations

import json
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.state_pair import Follower, leading, lose, model, towards
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.slow

OUT, IN = "delta_update_out", "delta_update_in"
ONE = {"title": "one", "bids": {Decimal("1.50"): Decimal(2)}}


class Logged(Follower):
    """An in-state named `book` whose service logs to a file."""

    log: Path

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of an event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line["event"] == event]

    def phase_lines(self) -> list[tuple[str, str]]:
        """Return phase and reason of each line that tells of a phase."""
        return [(line["phase"], line["reason"]) for line in self.lines("state changed phase")]


@contextmanager
def logging_follower(
    in_model: dict[str, Any], addresses: Mapping[str, str], folder: Path
) -> Iterator[Logged]:
    follower = Logged()
    follower.log = folder / "log.jsonl"

    def init_function(to_send: Any, states: Any, config: Any) -> None:
        follower.states = states

    in_model["optional_creation_arguments"]["on_status"] = follower.phases.put
    module = module_of(
        "follower", state_models={"in": {"book": in_model}}, init_function=init_function
    )
    with running(
        module,
        addresses={"states": {"in": {"book": dict(addresses)}}},
        console_loglevel=None,
        log_path=str(follower.log),
    ) as service:
        follower.service = service
        yield follower


def test_each_change_of_phase_is_told_logged_with_its_reason_and_counted(tmp_path: Path) -> None:
    # no heartbeat tells of the loss before the next update does
    with leading(model(OUT, heartbeat_s=30.0)) as leader:
        following = logging_follower(
            model(IN, heartbeat_s=30.0, stale_after_s=90.0), towards(leader.addresses), tmp_path
        )
        with following as follower:
            follower.wait_for_phase(Phase.LIVE)
            leader.send(**ONE)
            until(lambda: follower.status.number == 0)
            lose(leader, title="lost")
            leader.send(title="two")
            told = [follower.wait_for_phase(Phase.SYNCING), follower.wait_for_phase(Phase.LIVE)]
            assert [(status.number, status.gaps) for status in told] == [(0, 1), (2, 1)]
            status = follower.status
            numbers = follower.stats["status"]
            assert numbers["age_s"] >= status.age_s
            assert {**numbers, "age_s": status.age_s} == status.as_dict()
            assert (numbers["phase"], numbers["gaps"], numbers["number"]) == ("LIVE", 1, 2)
        assert follower.phase_lines() == [
            ("LIVE", "in step at number -1"),
            ("SYNCING", "a gap: heard of number 2 after 0"),
            ("LIVE", "in step at number 2"),
        ]
        line = follower.lines("state changed phase")[-1]
        assert (line["level"], line["state"], line["number"]) == ("info", "book", 2)


def test_silence_is_told_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_model = model(IN, stale_after_s=0.3)
    with leading(model(OUT, heartbeat_s=0.05)) as leader:
        following = logging_follower(in_model, towards(leader.addresses), tmp_path)
        with following as follower:
            follower.wait_for_phase(Phase.LIVE)
            with monkeypatch.context() as silenced:
                silenced.setattr(leader.actor.publication, "send_sign_of_life", lambda: None)
                follower.wait_for_phase(Phase.STALE)
            follower.wait_for_phase(Phase.LIVE)
        assert follower.phase_lines()[:3] == [
            ("LIVE", "in step at number -1"),
            ("STALE", "nothing heard for 0.3 s"),
            ("LIVE", "in step at number -1"),
        ]


def flip(follower: Follower) -> None:
    """Change a value in a replica, as a fault of its memory would."""
    replica = follower.actor._replica
    bids = replica.value["bids"].set(Decimal(7), Decimal(7))
    replica._pending.replace(replica.value.set("bids", bids))


def test_a_value_that_was_flipped_is_counted_logged_and_fetched_again(tmp_path: Path) -> None:
    with leading(model(OUT, digest=True, heartbeat_s=0.3)) as leader:
        leader.send(**ONE)
        following = logging_follower(
            model(IN, heartbeat_s=0.3), towards(leader.addresses), tmp_path
        )
        with following as follower:
            follower.wait_for_phase(Phase.LIVE)
            for flips in (1, 2):
                flip(follower)
                assert follower.wait_for_phase(Phase.SYNCING).mismatches == flips
                assert follower.wait_for_phase(Phase.LIVE).resyncs == flips
                assert follower.value == ONE
                # the next one is right: what differs now is another fault
                received = follower.stats["received"]
                until(lambda seen=received: follower.stats["received"] >= seen + 2)  # type: ignore[misc]
            assert follower.stats["status"]["mismatches"] == 2
            assert follower.status.error is None
        assert ("SYNCING", "the digest differs at number 0") in follower.phase_lines()
        assert follower.lines("state cannot be followed") == []


def test_what_cannot_be_followed_is_logged_as_a_warning_once(tmp_path: Path) -> None:
    with leading(model(OUT, {"n": object}, heartbeat_s=0.1)) as leader:
        following = logging_follower(
            model(IN, {"n": int}, heartbeat_s=0.1), towards(leader.addresses), tmp_path
        )
        with following as follower:
            follower.wait_for_phase(Phase.LIVE)
            leader.send(n="poison")
            until(lambda: follower.status.error is not None)
            received = follower.stats["received"]
            until(lambda: follower.stats["received"] >= received + 5)
            error = follower.status.error
        [line] = follower.lines("state cannot be followed")
        assert (line["level"], line["state"], line["reason"]) == ("warning", "book", error)


def test_digests_that_differ_though_a_snapshot_was_taken_are_a_warning(tmp_path: Path) -> None:
    """Two models that encode alike and are not alike: no snapshot can repair that."""
    with leading(model(OUT, {"n": Decimal}, digest=True, heartbeat_s=0.1)) as leader:
        leader.send(n=Decimal("1.50"))
        following = logging_follower(
            model(IN, {"n": str}, heartbeat_s=0.1), towards(leader.addresses), tmp_path
        )
        with following as follower:
            until(lambda: follower.status.error is not None)
            received = follower.stats["received"]
            until(lambda: follower.stats["received"] >= received + 5)
            status = follower.stats["status"]
            assert (status["mismatches"], status["resyncs"]) == (2, 1)
            assert status["phase"] == "LIVE"
        [line] = follower.lines("state cannot be followed")
        assert "both sides must declare the same model" in line["reason"]
