"""The authenticator: what it admits, what it denies, and that it outlives whatever it meets."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from zmq.utils import z85

from sf_actors.actors.authenticator import judge
from sf_actors.actors.inbox import WaitFailed
from sf_actors.errors import ActorDied
from sf_actors.sockets.keys import Keys, load
from sf_actors.testing import module_of, running
from tests.security.keyrings import PATIENCE_MS, Keyring, Knocker
from tests.security.zap_client import Asker, question
from tests.support.models import address_of
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sf_actors.actors.authenticator import Authenticator
    from sf_actors.service import Service

WAIT_S = PATIENCE_MS / 1000
X = {"required_arguments": {"x": int}}


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "own")


@pytest.fixture
def friend(tmp_path: Path, keys: Keyring) -> Keyring:
    friend = Keyring(tmp_path / "friend")
    keys.authorize(friend)
    return friend


@pytest.fixture
def knocker() -> Iterator[Knocker]:
    knocker = Knocker()
    yield knocker
    knocker.close()


@pytest.fixture
def service(keys: Keyring, tmp_path: Path) -> Iterator[Service]:
    module = module_of(connection_models={"out": {"feed": {"connection_type": "publisher", **X}}})
    given = {"connections": {"out": {"feed": {"publisher": f"ipc://{tmp_path}/feed"}}}}
    with running(module, keys=keys.folder, addresses=given) as service:
        yield service


def authenticator_of(service: Service) -> Authenticator:
    authenticator = service._run.state.authenticator  # type: ignore[union-attr]
    assert authenticator is not None
    return authenticator


# judging


def test_an_authorized_key_is_admitted(keys: Keyring, friend: Keyring) -> None:
    verdict = judge(question(friend.public), load(keys.folder).authorized)

    assert verdict == (True, friend.public, "")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"version": b"2.0"}, "ZAP 1.0"),
        ({"domain": b""}, "domain"),
        ({"domain": b"global"}, "domain"),
        ({"mechanism": b"NULL"}, "CURVE"),
        ({"mechanism": b"PLAIN"}, "CURVE"),
        ({"mechanism": b"curve"}, "CURVE"),
        ({"credentials": b""}, "one key"),
        ({"credentials": bytes(31)}, "one key"),
        ({"credentials": bytes(32)}, "not in"),
    ],
)
def test_anything_else_is_denied(
    keys: Keyring, friend: Keyring, other: dict[str, bytes], reason: str
) -> None:
    verdict = judge(question(friend.public, **other), load(keys.folder).authorized)

    assert not verdict.is_admitted
    assert reason in verdict.reason


def test_a_second_credential_is_denied(keys: Keyring, friend: Keyring) -> None:
    verdict = judge([*question(friend.public), b"more"], load(keys.folder).authorized)

    assert not verdict.is_admitted


# answering


def test_an_answer_is_what_zap_wants(service: Service, friend: Keyring) -> None:
    with Asker(service) as asker:
        *answer, properties = asker.ask(*question(friend.public))
        assert answer == [b"", b"1.0", b"7", b"200", b"OK", friend.public]
        assert properties.startswith(b"\x08Identity\x00\x00\x00\x09\x01")
        assert asker.ask(*question(friend.public, domain=b"other")) == [
            *(b"", b"1.0", b"7", b"400", b"not authorized", b"", b"")
        ]


def test_each_connection_is_given_a_routing_id_of_its_own(
    service: Service, friend: Keyring
) -> None:
    with Asker(service) as one, Asker(service) as other:
        given = [asker.ask(*question(friend.public))[-1] for asker in (one, other) * 10]

    ids = {properties[len(b"\x08Identity\x00\x00\x00\x09") :] for properties in given}
    assert len(ids) == 20
    assert {(len(id_), id_[0]) for id_ in ids} == {(9, 1)}


def test_questions_that_wait_share_one_look_at_the_folder(
    service: Service, friend: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[frozenset[bytes]] = []
    looking, go_on = threading.Event(), threading.Event()

    def look(_keys: Keys) -> frozenset[bytes]:
        looks.append(frozenset({friend.public}))
        looking.set()
        assert go_on.wait(WAIT_S)
        return looks[-1]

    monkeypatch.setattr(Keys, "authorized", look)
    with Asker(service) as first, Asker(service) as later:
        first.tell(b"", *question(friend.public))
        assert looking.wait(WAIT_S)
        for _ in range(50):
            later.tell(b"", *question(z85.encode(bytes(32))))
        go_on.set()
        refused = [later.answer()[3] for _ in range(50)]

    assert refused == [b"400"] * 50
    assert len(looks) == 2


def test_looks_at_a_folder_that_take_long_leave_time_for_the_rest_of_the_process(
    service: Service, friend: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def look(_keys: Keys) -> frozenset[bytes]:
        looks.append(monotonic())
        began = thread_time()
        while thread_time() - began < 0.005:
            pass
        return frozenset({friend.public})

    monkeypatch.setattr(Keys, "authorized", look)
    with Asker(service) as asker:
        for _ in range(5):
            assert asker.ask(*question(friend.public))[3] == b"200"

    pauses = [later - earlier for earlier, later in pairwise(looks)]
    assert min(pauses) > 8 * 0.005


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"no", b"empty", b"frame"],
        [b"", b"1.0"],
        [b"", b"", b"", b""],
        [b"\xff" * 1000],
    ],
)
def test_a_question_that_cannot_be_answered_is_left(
    service: Service, friend: Keyring, frames: list[bytes]
) -> None:
    with Asker(service) as bad, Asker(service) as good:
        bad.tell(*frames)
        assert good.ask(*question(friend.public))[3] == b"200"


@pytest.mark.parametrize("length", [2, 3, 6])
def test_a_question_that_is_too_short_is_denied(
    service: Service, friend: Keyring, length: int
) -> None:
    with Asker(service) as asker:
        assert asker.ask(*question(friend.public)[:length])[3] == b"400"


def test_a_key_that_is_no_key_is_denied_with_a_reason_that_can_be_logged(
    service: Service,
) -> None:
    with Asker(service) as asker:
        odd = question(b"", credentials=b"\xff" * 32, address=b"\xff\xfe")
        assert asker.ask(*odd)[3] == b"400"


def test_a_folder_that_cannot_be_read_admits_nobody_until_it_can(
    service: Service, keys: Keyring, friend: Keyring, knocker: Knocker
) -> None:
    folder = keys.folder / "authorized"
    folder.rename(keys.folder / "elsewhere")
    assert not knocker.gets_in(
        knocker.socket(zmq.SUB, own=friend, server=keys), address_of(service, "feed", "out")
    )

    (keys.folder / "elsewhere").rename(folder)
    assert knocker.gets_in(
        knocker.socket(zmq.SUB, own=friend, server=keys), address_of(service, "feed", "out")
    )


def test_a_key_file_that_cannot_be_read_keeps_nobody_else_out(
    service: Service, keys: Keyring, friend: Keyring, knocker: Knocker
) -> None:
    (keys.folder / "authorized" / "bad.key").write_bytes(b"\xff\x00")
    (keys.folder / "authorized" / "folder.key").mkdir()

    assert knocker.gets_in(
        knocker.socket(zmq.SUB, own=friend, server=keys), address_of(service, "feed", "out")
    )


def test_a_fault_in_judging_denies_and_ends_nothing(
    service: Service,
    keys: Keyring,
    friend: Keyring,
    knocker: Knocker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = authenticator_of(service)

    def fail(_keys: Keys) -> frozenset[bytes]:
        raise RuntimeError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr(Keys, "authorized", fail)
        assert not knocker.gets_in(
            knocker.socket(zmq.SUB, own=friend, server=keys), address_of(service, "feed", "out")
        )
    assert knocker.gets_in(
        knocker.socket(zmq.SUB, own=friend, server=keys), address_of(service, "feed", "out")
    )
    assert authenticator_of(service) is before


def refusals(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in lines if line["event"] == "connection refused"]


def test_refusals_are_logged_once_in_a_while(
    service: Service, keys: Keyring, friend: Keyring, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = z85.encode(bytes(32))
    with Asker(service) as asker:
        for _ in range(50):
            asker.ask(*question(stranger))

    (line,) = refusals(capsys)
    assert (line["level"], line["address"], line["key"]) == (
        *("warning", "127.0.0.1", stranger.decode()),
    )
    assert "authorized" in line["reason"]


def test_a_refusal_shows_nothing_raw_that_a_terminal_would_act_on(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    with Asker(service) as asker:
        asker.ask(*question(b"", address=b"\x1b[2J\n" + b"x" * 10_000, version=b"\x9b" * 10_000))

    (line,) = refusals(capsys)
    assert line["address"].startswith("\\x1b[2J\\n")
    for shown in (line["address"], line["reason"]):
        assert shown.isprintable()
        assert len(shown) < 1_000


def test_who_is_let_in_is_not_logged(
    service: Service, friend: Keyring, capsys: pytest.CaptureFixture[str]
) -> None:
    with Asker(service) as asker:
        asker.ask(*question(friend.public))

    assert refusals(capsys) == []


# living and dying


def test_it_runs_in_a_thread_that_is_named(service: Service) -> None:
    names = [thread.name for thread in threading.enumerate()]

    assert "service_under_test/authenticator" in names


def test_a_service_without_keys_has_none(tmp_path: Path) -> None:
    module = module_of(connection_models={"out": {"feed": {"connection_type": "publisher", **X}}})
    given = {"connections": {"out": {"feed": {"publisher": "inproc://feed"}}}}
    with running(module, addresses=given) as service:
        assert service._run is not None
        assert service._run.state.authenticator is None


def test_one_that_died_is_replaced(
    service: Service, keys: Keyring, friend: Keyring, knocker: Knocker
) -> None:
    before = authenticator_of(service)
    before.actor_ref.tell(WaitFailed(OSError("poll failed")))
    # whoever is asked for in between waits until libzmq gives its handshake up
    until(lambda: authenticator_of(service) is not before, "a new authenticator")

    assert knocker.gets_in_at_last(
        knocker.socket(zmq.SUB, own=friend, server=keys), address_of(service, "feed", "out")
    )
    assert not knocker.gets_in(knocker.socket(zmq.SUB), address_of(service, "feed", "out"))


def test_one_that_dies_too_often_ends_the_service(service: Service) -> None:
    seen: list[Authenticator] = []
    for _ in range(4):
        # each death is followed by a successor, which is there before the thread has ended
        authenticator = authenticator_of(service)
        assert authenticator not in seen
        seen.append(authenticator)
        authenticator.actor_ref.tell(WaitFailed(OSError("poll failed")))
        assert authenticator.actor_ref.actor_stopped.wait(WAIT_S)
    assert service.wait(WAIT_S)

    assert isinstance(service.failure, ActorDied)
    assert "authenticator died 4 times" in str(service.failure)


def test_one_that_cannot_open_fails_the_start(
    keys: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_transport: object) -> None:
        raise OSError("no descriptor is left")

    monkeypatch.setattr("sf_actors.sockets.transport.Transport.questions", refuse)
    module = module_of(connection_models={"out": {"feed": {"connection_type": "publisher", **X}}})
    given = {"connections": {"out": {"feed": {"publisher": f"ipc://{tmp_path}/feed"}}}}

    with (
        pytest.raises(OSError, match="no descriptor"),
        running(module, keys=keys.folder, addresses=given),
    ):
        pass


def test_it_opens_first_and_closes_last(
    keys: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sf_actors.sockets.transport import Transport

    order: list[str] = []

    def noted(name: str, method: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            order.append(name)
            return method(*args, **options)

        return call

    for name in ("questions", "bound", "unbind", "close_questions"):
        monkeypatch.setattr(Transport, name, noted(name, getattr(Transport, name)))
    module = module_of(
        connection_models={"out": {"feed": {"connection_type": "publisher", **X}}},
        state_models={"out": {"full": {"state_type": "full_update_out", **X}}},
    )
    given = {
        "connections": {"out": {"feed": {"publisher": f"ipc://{tmp_path}/feed"}}},
        "states": {"out": {"full": {"publisher": f"ipc://{tmp_path}/full"}}},
    }
    with running(module, keys=keys.folder, addresses=given):
        pass

    assert order == ["questions", "bound", "bound", "unbind", "unbind", "close_questions"]
