"""`bus`: a process that joins publishers and subscribers."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest
import zmq
from zmq.auth import load_certificate

from sf_actors import counterpart
from sf_actors.sockets.keys import new_pair
from sf_actors.testing import module_of, running
from tests.support.bare_sockets import bare
from tests.support.processes import Process
from tests.support.shell import ran, ran_here
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def bound(process: Process) -> dict[str, str]:
    found: dict[str, str] = json.loads(process.wait_for_line('{"xsub"'))
    return found


def test_what_publishers_send_reaches_subscribers_and_ps_lists_it() -> None:
    arguments = ["--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json"]
    with Process("bus", *arguments) as process:
        there = bound(process)
        with (
            bare(zmq.PUB, connect=f"tcp://{there['xsub']}") as publisher,
            bare(zmq.SUB, connect=f"tcp://{there['xpub']}") as subscriber,
        ):
            subscriber.subscribe(b"")

            def is_through() -> bool:
                publisher.send(msgspec.msgpack.encode({"args": {}}))
                return bool(subscriber.poll(50))

            until(is_through)
            assert subscriber.recv() == msgspec.msgpack.encode({"args": {}})
        assert ran_here("wait", "bus").status == 0
        rows = ran_here("ps", "--json").objects
        (info,) = ran_here("info", "bus", "--json").objects
        levels = ran_here("loglevel", "bus")
        process.interrupt(signal.SIGTERM)
        assert process.wait() == 0

    assert info["command"] == f"sf_actors bus {' '.join(arguments)}"
    assert (levels.status, "bus has no log levels" in levels.err) == (1, True)
    assert [(row["service"], row["pid"]) for row in rows] == [("bus", process.popen.pid)]


def test_it_is_stopped_from_the_shell_and_ends_by_ctrl_c() -> None:
    arguments = ["--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json"]
    with Process("bus", *arguments) as process:
        bound(process)
        assert ran_here("wait", "bus").status == 0
        assert ran_here("stop", "bus").status == 0
        assert process.wait() == 0
    with Process("bus", *arguments) as process:
        bound(process)
        process.interrupt(signal.SIGINT)
        assert process.wait() == 130


def test_an_address_that_is_taken_is_exit_status_1_in_one_line() -> None:
    arguments = ["--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json"]
    with Process("bus", *arguments) as process:
        taken = bound(process)["xsub"]
        found = ran("bus", "--xsub", taken, "--xpub", "127.0.0.1:0")

    assert found.status == 1
    assert found.err.count("\n") == 1
    assert "bus: --xsub" in found.err


def test_with_keys_only_who_is_authorized_gets_through(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    new_pair("own", folder)
    new_pair("peer", tmp_path / "peer")
    (folder / "authorized").mkdir(mode=0o700)
    (tmp_path / "peer" / "peer.key").rename(folder / "authorized" / "peer.key")
    server, _ = load_certificate(folder / "own.key")
    public, secret = load_certificate(tmp_path / "peer" / "peer.key_secret")
    arguments = ["--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json"]
    with Process("bus", *arguments, "--keys", str(folder)) as process:
        there = bound(process)
        with (
            bare(zmq.PUB) as publisher,
            bare(zmq.SUB) as subscriber,
            bare(zmq.SUB, connect=f"tcp://{there['xpub']}") as stranger,
        ):
            for one in (publisher, subscriber):
                one.curve_serverkey = server
                one.curve_publickey, one.curve_secretkey = public, secret
            publisher.connect(f"tcp://{there['xsub']}")
            subscriber.connect(f"tcp://{there['xpub']}")
            for one in (subscriber, stranger):
                one.subscribe(b"")

            def is_through() -> bool:
                publisher.send(b"\x80")
                return bool(subscriber.poll(50))

            until(is_through)
            assert not stranger.poll(100)


def test_a_state_is_followed_through_it() -> None:
    clock = {
        "state_type": "full_update_out",
        "optional_creation_arguments": {"is_x_pub": True, "heartbeat_s": 0.1},
        "required_arguments": {"n": int},
    }
    follower = counterpart(clock)
    follower["optional_creation_arguments"] = {"is_x_sub": True, "stale_after_s": 1.0}
    arguments = ["--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json"]
    with Process("bus", *arguments) as process:
        there = bound(process)
        out = {"states": {"out": {"clock": {"publisher": there["xsub"]}}}}
        into = {"states": {"in": {"clock": {"subscriber": there["xpub"]}}}}
        with (
            running(
                module_of("leader", state_models={"out": {"clock": clock}}),
                addresses=out,
                console_loglevel=None,
            ) as leader,
            running(
                module_of("follower", state_models={"in": {"clock": follower}}),
                addresses=into,
                console_loglevel=None,
            ) as following,
        ):
            leader.to_send("state", "clock", {"n": 7})
            assert following.states.wait("clock", timeout_s=10)
            assert following.states["clock"] == {"n": 7}


def test_topics_of_any_length_that_publishers_have_pass() -> None:
    topic = b"t" * 300
    with Process("bus", "--xsub", "127.0.0.1:0", "--xpub", "127.0.0.1:0", "--json") as process:
        there = bound(process)
        with (
            bare(zmq.PUB, connect=f"tcp://{there['xsub']}") as publisher,
            bare(zmq.SUB, connect=f"tcp://{there['xpub']}") as subscriber,
        ):
            subscriber.subscribe(topic)

            def came() -> bool:
                publisher.send(topic + b"it")
                return bool(subscriber.poll(20))

            until(came, "a message")
