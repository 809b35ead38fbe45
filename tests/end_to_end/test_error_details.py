"""What callers are told of a handler's error: its text as well, or its type alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import zmq

from sf_actors import RemoteError, Service, UsageError
from sf_actors.testing import module_of, running
from tests.security.keyrings import Keyring
from tests.support.bare_sockets import bare, packed, unpacked
from tests.support.models import Sender, address_of, at, counters, replyer, requester, service
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"

#: Where a service listens for this machine alone.
LOCAL = ["127.0.0.1:0", "tcp://127.0.0.1:0", "localhost:0", "[::1]:0"]

#: Where other machines can reach it.
OPEN = ["0.0.0.0:0", "tcp://*:0", "[::]:0"]


class Vault(Exception):
    """Holds what no caller is to know."""


def fail(args: dict[str, Any]) -> None:
    raise Vault(f"wrong password {SECRET} for {args}")


def answer_wrongly(args: dict[str, Any]) -> dict[str, Any]:
    return {"n": f"{SECRET} of {args}"}


def answer_at_length(args: dict[str, Any]) -> dict[str, Any]:
    return {"n": len(args), "text": SECRET * 100}


def serving(handler: Any, address: str, returns: Any = None, **arguments: Any) -> Any:
    models = {"it": replyer(handler, {"n": int}, returns, max_message_bytes=500)}
    return running(
        service("served", models),
        addresses=at({"it": address}),
        stop_timeout_s=3,
        console_loglevel=None,
        **arguments,
    )


def port_of(served: Service) -> str:
    """Return where this machine reaches a service that listens to all."""
    address = address_of(served, "it").removeprefix("tcp://")
    host, _, port = address.rpartition(":")
    return f"tcp://{'[::1]' if host in {'[::]', '[::1]'} else '127.0.0.1'}:{port}"


def asked(served: Service, request: Any = None) -> bytes:
    """Return the bytes that answer a request."""
    with bare(zmq.REQ) as req:
        req.setsockopt(zmq.IPV6, 1)
        req.connect(port_of(served))
        req.send(packed({"args": {"n": 1}} if request is None else request))
        return req.recv()


def error_told(frame: bytes) -> Any:
    return unpacked(frame)["error"]


def told_to_a_requester(address: str, served: Any) -> RemoteError:
    """Return what a service of ours gets that asks at an address."""
    sender = Sender()
    models = {"it": requester({"n": int})}
    asker = service("asker", None, models, init_function=sender)
    with (
        served,
        running(asker, addresses=at(None, {"it": address}), console_loglevel=None),
        pytest.raises(RemoteError) as caught,
    ):
        sender.connection("it", {"n": 1})
    return caught.value


# where the socket is bound decides


@pytest.mark.parametrize("address", LOCAL)
def test_on_loopback_a_caller_is_told_the_text_of_an_exception(address: str) -> None:
    with serving(fail, address) as served:
        assert error_told(asked(served)) == {
            "type": "Vault",
            "message": "wrong password hunter2 for {'n': 1}",
        }


def test_over_inproc_a_caller_is_told_the_text_of_an_exception() -> None:
    error = told_to_a_requester("inproc://told", serving(fail, "inproc://told"))

    assert SECRET in error.message


def test_over_ipc_a_caller_is_told_the_text_of_an_exception(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/told"

    assert SECRET in told_to_a_requester(address, serving(fail, address)).message


@pytest.mark.parametrize("address", OPEN)
def test_beyond_loopback_a_caller_is_told_the_type_of_an_exception_alone(address: str) -> None:
    with serving(fail, address) as served:
        frame = asked(served)

        assert error_told(frame)["type"] == "Vault"
        assert SECRET.encode() not in frame
        assert b"password" not in frame


def test_each_socket_of_a_service_decides_for_itself() -> None:
    models = {"here": replyer(fail, {"n": int}), "it": replyer(fail, {"n": int})}
    addresses = at({"here": "127.0.0.1:0", "it": "0.0.0.0:0"})
    with running(service("two", models), addresses=addresses, console_loglevel=None) as served:
        assert SECRET.encode() not in asked(served)
        with bare(zmq.REQ, connect=f"tcp://{address_of(served, 'here')}") as req:
            req.send(packed({"args": {"n": 1}}))
            assert SECRET.encode() in req.recv()


def test_with_keys_a_caller_is_told_the_text_beyond_loopback_too(tmp_path: Path) -> None:
    server, friend = Keyring(tmp_path / "server"), Keyring(tmp_path / "friend")
    server.authorize(friend)
    friend.trust(server)
    sender = Sender()
    asker = service("asker", None, {"it": requester({"n": int})}, init_function=sender)
    with serving(fail, "0.0.0.0:0", keys=server.folder) as served:
        to = at(None, {"it": port_of(served)})
        with (
            running(asker, addresses=to, keys=friend.folder, console_loglevel=None),
            pytest.raises(RemoteError, match=SECRET),
        ):
            sender.connection("it", {"n": 1})


# the user decides


def test_type_withholds_the_text_on_loopback_too() -> None:
    with serving(fail, "127.0.0.1:0", error_details="type") as served:
        frame = asked(served)

        assert error_told(frame)["type"] == "Vault"
        assert SECRET.encode() not in frame


def test_full_tells_the_text_beyond_loopback_too() -> None:
    with serving(fail, "0.0.0.0:0", error_details="full") as served:
        assert SECRET.encode() in asked(served)


@pytest.mark.parametrize("wrong", ["", "none", "FULL", "type\n", True, 1, ["type"], b"type"])
def test_anything_else_is_one_line_that_says_what_can_be_chosen(wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"^Service: error_details: expected 'full'[^\n]+$"):
        Service(module_of(), error_details=wrong)


# what is withheld, and what is not


def test_a_caller_learns_why_it_is_told_no_more(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/told"
    error = told_to_a_requester(address, serving(fail, address, error_details="type"))

    assert (error.type, error.message) == ("Vault", "")
    assert str(error).endswith(
        "answered Vault: its text, if it has one, stays in the log over there (error_details)"
    )


def fail_without_a_word(args: dict[str, Any]) -> None:
    raise AssertionError


def test_an_error_without_a_text_promises_none_in_the_log(tmp_path: Path) -> None:
    address = f"ipc://{tmp_path}/told"
    error = told_to_a_requester(address, serving(fail_without_a_word, address))

    assert (error.type, error.message) == ("AssertionError", "")
    assert "its text, if it has one," in str(error)


@pytest.mark.parametrize(
    ("handler", "returns"),
    [
        (answer_wrongly, {"n": int}),
        (answer_at_length, {"n": int, "text": str}),
        (lambda args: SECRET, {"n": int}),
    ],
)
def test_a_reply_that_fails_its_model_is_withheld_like_an_exception(
    handler: Any, returns: Any
) -> None:
    with serving(handler, "127.0.0.1:0", returns, error_details="type") as served:
        frame = asked(served)

        assert error_told(frame)["type"] == "InvalidArguments"
        assert SECRET.encode() not in frame
        assert b"served" not in frame, "nor does it show where the model stands"


def test_the_cause_of_an_exception_is_withheld_with_it() -> None:
    def handler(args: dict[str, Any]) -> None:
        try:
            fail(args)
        except Vault as error:
            raise LookupError from error

    with serving(handler, "0.0.0.0:0") as served:
        frame = asked(served)

        assert error_told(frame)["type"] == "LookupError"
        assert SECRET.encode() not in frame


def test_a_repeated_request_gets_no_more_out_of_the_cache() -> None:
    models = {"it": replyer(fail, {"n": int}, deduplicate=True)}
    with running(
        service("served", models), addresses=at({"it": "0.0.0.0:0"}), console_loglevel=None
    ) as served:
        request = {"args": {"n": 1}, "request_id": "same"}
        first = asked(served, request)

        assert asked(served, request) == first
        assert SECRET.encode() not in first
        assert counters(served, "it")["deduplicated"] == 1


@pytest.mark.parametrize(
    ("request_", "type_", "named"),
    [
        ({"args": {"n": "one"}}, "InvalidMessage", "expected int"),
        ({"args": {"n": 1}, "workflow_id": "x" * 600}, "OversizedMessage", "max_message_bytes"),
        ([1], "Undecodable", "expected a request"),
    ],
)
def test_what_is_wrong_with_a_request_is_told_whoever_sent_it(
    request_: Any, type_: str, named: str
) -> None:
    with serving(fail, "0.0.0.0:0", error_details="type") as served:
        error = error_told(asked(served, request_))

        assert error["type"] == type_
        assert named in error["message"]


def test_the_service_itself_keeps_the_text_in_its_numbers_and_its_log(
    capfd: pytest.CaptureFixture[str],
) -> None:
    models = {"it": replyer(fail, {"n": int})}
    with running(
        service("served", models), addresses=at({"it": "127.0.0.1:0"}), error_details="type"
    ) as served:
        asked(served)
        until(lambda: counters(served, "it")["sent"] == 1, "the count of the reply")
        assert SECRET in counters(served, "it")["last_error"]
    assert SECRET in capfd.readouterr().err
