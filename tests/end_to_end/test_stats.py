"""The numbers of a service: which there are, before it runs, while it runs and afterwards."""

from __future__ import annotations

import json
import queue
from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import Service
from sf_actors.testing import module_of
from tests.security.services import addresses_in, client_addresses, client_module, server_module
from tests.support.models import external
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

WAIT_S = 20.0

#: A text, or none yet.
TEXT = (str, type(None))

#: What each kind of model counts, with the type of each number.
READING = {
    "received": int,
    "handled": int,
    "failed": int,
    "refused": int,
    "dropped": dict,
    "queued": int,
    "unknown_fields": int,
    "restarts": int,
    "last_error": TEXT,
    "handler_s": dict,
}
KINDS: dict[str, dict[str, Any]] = {
    "replyer": READING
    | {"sent": int, "in_flight": int, "deduplicated": int, "behind": int, "peers": int},
    "subscriber": READING | {"missed": int, "peers": int},
    "binder": READING | {"missed": int, "peers": int},
    "timer": {
        "handled": int,
        "failed": int,
        "refused": int,
        "dropped": dict,
        "missed": int,
        "queued": int,
        "last_error": TEXT,
        "handler_s": dict,
    },
    "requester": {
        "sent": int,
        "received": int,
        "in_flight": int,
        "timeouts": int,
        "retries": int,
        "behind": int,
        "unknown_fields": int,
        "dropped": dict,
        "last_error": TEXT,
    },
    "publisher": {
        "sent": int,
        "dropped": dict,
        "last_error": TEXT,
        "peers": int,
    },
    "external_target": {
        "sent": int,
        "handled": int,
        "failed": int,
        "timeouts": int,
        "last_error": TEXT,
    },
    "in_state": READING | {"conflated": int, "skipped": int, "status": dict},
    "delta_out": {
        "sent": int,
        "received": int,
        "dropped": dict,
        "skipped": int,
        "restarts": int,
        "last_error": TEXT,
        "peers": int,
    },
    "full_out": {
        "sent": int,
        "dropped": dict,
        "restarts": int,
        "last_error": TEXT,
        "peers": int,
    },
}
SERVER = {
    ("connections", "in", "replyer"): "replyer",
    ("connections", "in", "binder"): "binder",
    ("connections", "out", "publisher"): "publisher",
    ("states", "out", "delta"): "delta_out",
    ("states", "out", "full"): "full_out",
}
CLIENT = {
    ("connections", "in", "publisher"): "subscriber",
    ("connections", "in", "beat"): "timer",
    ("connections", "out", "replyer"): "requester",
    ("connections", "out", "binder"): "publisher",
    ("connections", "out", "double"): "external_target",
    ("states", "in", "delta"): "in_state",
    ("states", "in", "full"): "in_state",
}


class Pair:
    """Two services with every kind of model between them."""

    def __init__(self, folder: Path) -> None:
        self.got: queue.Queue[tuple[str, object]] = queue.Queue()
        self._senders: dict[str, Any] = {}
        there = server_module(init_function=lambda to_send: self._keep("server", to_send))
        here = client_module(self.got, init_function=lambda to_send: self._keep("client", to_send))
        here.connection_models["out"]["double"] = external(
            lambda x: {"x": 2 * x}, {"x": int}, {"x": int}
        )
        here.connection_models["in"]["beat"] = {
            "connection_type": "timer",
            "required_creation_arguments": {"on_beat": lambda: None, "every_s": 3600},
        }
        self.server = Service(there, addresses=addresses_in(folder), console_loglevel=None)
        self.client = Service(here, addresses=client_addresses(folder), console_loglevel=None)

    def _keep(self, name: str, to_send: Any) -> None:
        self._senders[name] = to_send

    def send(self, side: str, *args: Any) -> Any:
        return self._senders[side](*args)

    def publish_until_it_arrives(self) -> None:
        """Publish from each side until the other has heard of it."""
        heard: set[str] = set()
        for number in range(1000):
            self.send("server", "connection", "publisher", {"x": number})
            self.send("server", "state", "full", {"x": number})
            self.send("server", "state", "delta", {"x": number})
            self.send("client", "connection", "binder", {"x": number})
            try:
                while True:
                    heard.add(self.got.get(timeout=0.02)[0])
            except queue.Empty:
                if heard == {"publisher", "full", "delta"} and self._have_all_handled():
                    return
        raise AssertionError(f"only these were heard of: {heard}")

    def _have_all_handled(self) -> bool:
        server, client = self.server.stats(), self.client.stats()
        readers = [server["connections"]["in"]["binder"], client["connections"]["in"]["publisher"]]
        readers += client["states"]["in"].values()
        return all(numbers["handled"] for numbers in readers)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    with pair.server, pair.client:
        yield pair


def models_of(stats: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (kind, side, name): numbers
        for kind in ("connections", "states")
        for side in ("in", "out")
        for name, numbers in stats[kind][side].items()
    }


def kinds_in(value: Any) -> set[type]:
    """Return the exact types of a value and of all that it holds."""
    inside = list(value.values()) if isinstance(value, dict) else value
    found = {type(value)}
    if isinstance(inside, list):
        found = found.union(*map(kinds_in, inside))
    return found


def require_shape(stats: dict[str, Any], models: dict[tuple[str, str, str], str]) -> None:
    """Fail unless all numbers are there, are of their type, and can be told in JSON."""
    assert list(stats) == ["service", "phase", "uptime_s", "router", "connections", "states"]
    assert set(stats["router"]) == {"queued", "handled", "failed", "restarts"}
    assert list(stats["connections"]) == list(stats["states"]) == ["in", "out"]
    found = models_of(stats)
    assert set(found) == set(models)
    for key, kind in models.items():
        wanted = dict(KINDS[kind])
        if key == ("connections", "out", "binder"):
            del wanted["peers"]  # a publisher that connects
        assert set(found[key]) == set(wanted), key
        for counter, number in found[key].items():
            assert isinstance(number, wanted[counter]), (key, counter, number)
    assert json.loads(json.dumps(stats, allow_nan=False)) == stats
    assert kinds_in(stats) <= {dict, list, str, int, float, bool, type(None)}


# before, while and after


def test_there_are_numbers_before_a_service_runs(tmp_path: Path) -> None:
    stats = Service(server_module(), addresses=addresses_in(tmp_path)).stats()

    require_shape(stats, {})
    assert (stats["service"], stats["phase"]) == ("service_under_test", "NOT_STARTED")
    assert stats["uptime_s"] == 0.0
    assert set(stats["router"].values()) == {0}


def test_every_kind_of_model_has_its_counters(pair: Pair) -> None:
    for service, models in ((pair.server, SERVER), (pair.client, CLIENT)):
        stats = service.stats()
        require_shape(stats, models)
        assert stats["phase"] == "READY"
        assert stats["uptime_s"] > 0
    assert pair.client.stats()["service"] == "client"


def test_the_numbers_are_still_there_after_the_stop(pair: Pair) -> None:
    pair.publish_until_it_arrives()
    pair.client.stop_service()
    pair.server.stop_service()

    for service, models in ((pair.server, SERVER), (pair.client, CLIENT)):
        stats = service.stats()
        require_shape(stats, models)
        assert stats["phase"] == "STOPPED"
        assert stats["uptime_s"] == service.stats()["uptime_s"] > 0
        assert stats["router"]["handled"] > 0
        counted = models_of(stats).values()
        assert all(numbers.get("peers", 0) == 0 for numbers in counted)
    assert pair.server.stats()["connections"]["out"]["publisher"]["sent"] > 0


def test_another_run_begins_at_zero(tmp_path: Path) -> None:
    service = Service(server_module(), addresses=addresses_in(tmp_path), console_loglevel=None)
    handled = []
    for _ in range(2):
        with service:
            handled.append(service.stats()["router"]["handled"])

    assert handled[0] == handled[1]


def test_the_phase_can_be_seen_from_within(tmp_path: Path) -> None:
    seen: list[str] = []

    def init_function() -> None:
        seen.append(service.stats()["phase"])

    def main(to_send: Any) -> None:
        seen.append(service.stats()["phase"])

    module = module_of(init_function=init_function, main=main)
    service = Service(module, console_loglevel=None)
    service.run_service_as_main_blocking()
    seen.append(service.stats()["phase"])

    assert seen == ["STARTING", "READY", "STOPPED"]


def test_a_service_that_could_not_start_has_numbers(tmp_path: Path) -> None:
    def init_function() -> None:
        raise ValueError("bad")

    module = server_module(init_function=init_function)
    service = Service(module, addresses=addresses_in(tmp_path), console_loglevel=None)
    with pytest.raises(ValueError, match="bad"):
        service.run_service()

    stats = service.stats()
    require_shape(stats, SERVER)
    assert stats["phase"] == "STOPPED"


# counting


def test_a_request_is_counted_on_both_sides(pair: Pair) -> None:
    for x in range(3):
        assert pair.send("client", "connection", "replyer", {"x": x}) == {"x": x}

    asked = pair.client.stats()["connections"]["out"]["replyer"]
    answered = until(
        lambda: (
            numbers
            if (numbers := pair.server.stats()["connections"]["in"]["replyer"])["sent"] == 3
            else None
        ),
        "three replies",
    )
    assert (asked["sent"], asked["received"], asked["in_flight"], asked["timeouts"]) == (3, 3, 0, 0)
    assert (answered["received"], answered["handled"], answered["failed"]) == (3, 3, 0)
    assert (answered["in_flight"], answered["queued"], answered["dropped"]) == (0, 0, {})
    assert pair.server.stats()["router"]["handled"] >= 3


def test_what_is_published_is_counted_on_both_sides(pair: Pair) -> None:
    pair.publish_until_it_arrives()

    server, client = pair.server.stats(), pair.client.stats()
    assert server["connections"]["out"]["publisher"]["sent"] > 0
    assert server["states"]["out"]["delta"]["sent"] > 0
    assert server["states"]["out"]["full"]["sent"] > 0
    assert client["connections"]["out"]["binder"]["sent"] > 0
    for numbers in (
        client["connections"]["in"]["publisher"],
        client["states"]["in"]["delta"],
        client["states"]["in"]["full"],
        server["connections"]["in"]["binder"],
    ):
        assert numbers["received"] > 0
        assert numbers["handled"] > 0


def test_an_external_target_is_counted(pair: Pair) -> None:
    assert pair.send("client", "connection", "double", {"x": 4}) == {"x": 8}

    numbers = pair.client.stats()["connections"]["out"]["double"]
    assert (numbers["sent"], numbers["handled"], numbers["failed"]) == (1, 1, 0)


def test_the_time_of_handlers_is_counted_in_buckets(pair: Pair) -> None:
    for x in range(5):
        pair.send("client", "connection", "replyer", {"x": x})

    took = pair.server.stats()["connections"]["in"]["replyer"]["handler_s"]
    assert list(took) == ["count", "sum", "max", "buckets"]
    assert took["count"] == 5
    assert 0 < took["max"] <= took["sum"]
    bounds = [bound for bound, _ in took["buckets"]]
    assert bounds[:-1] == sorted(bounds[:-1])
    assert bounds[-1] is None
    assert all(isinstance(count, int) for _, count in took["buckets"])
    assert sum(count for _, count in took["buckets"]) == 5


def test_the_status_of_an_in_state_stands_beside_its_counters(pair: Pair) -> None:
    pair.publish_until_it_arrives()

    for name in ("delta", "full"):
        status = pair.client.stats()["states"]["in"][name]["status"]
        assert set(status) >= {"phase", "number", "epoch", "age_s", "gaps", "resyncs"}
        assert status["phase"] == "LIVE"
        assert isinstance(status["number"], int)
        assert status["number"] >= 0
        assert isinstance(status["epoch"], int)
        assert isinstance(status["age_s"], float)
        assert (status["gaps"], status["resyncs"]) == (0, 0)
        assert (status["duplicates"], status["late"], status["mismatches"]) == (0, 0, 0)


def test_what_is_dropped_is_counted_by_reason(pair: Pair) -> None:
    address = pair.server.addresses["connections"]["in"]["replyer"]["replyer"]
    with zmq.Context() as context, context.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(address)
        for frame in (b"\xc1", b"\x81\xa4args\x81\xa1x\xa1a", b"\x81\xa4args\x80"):
            socket.send(frame)
            assert socket.poll(WAIT_S * 1000)
            socket.recv()

    dropped = pair.server.stats()["connections"]["in"]["replyer"]["dropped"]
    assert dropped == {"undecodable": 1, "invalid": 2}
