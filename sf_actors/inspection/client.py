"""Asks many inspectors at once, over a connection to each; one thread."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

import msgspec
import zmq

from sf_actors.errors import (
    RemoteError,
    RequestTimeout,
    SfActorsError,
    UsageError,
)
from sf_actors.sync.seconds import poll_ms
from sf_actors.wording import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from sf_actors.sockets.keys import Keys

#: The largest request that an inspector accepts, in bytes.
MAX_REQUEST_BYTES = 1024 * 1024

#: The most open questions to one inspector, which queues few answers for one client.
MOST_AT_ONCE = 8

#: How long an inspector's own deadline may be exceeded before it counts as silent, in seconds.
GRACE_S = 0.5


@dataclass(frozen=True, slots=True)
class Responder:
    """A socket that answers requests: of an inspector, or of a replyer that is asked directly.

    :ivar address: the address, as it was given
    :ivar pid: its process, None for an inspector elsewhere
    :ivar name: the first service of its process, in the form of its socket's name
    :ivar numeric: the address to connect to where `address` has a host name, which libzmq would
        look up for IPv4 alone, or for IPv6 alone
    """

    address: str
    pid: int | None = None
    name: str = ""
    numeric: str = ""

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid else self.address


@dataclass(frozen=True, slots=True)
class Question:
    """A request to a responder; for an inspector `args` has the verb and its arguments."""

    responder: Responder
    args: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, if there is one.

    :ivar value: the answer; None if there was none, or an error
    :ivar error: the error that the inspector answered with
    """

    responder: Responder
    value: dict[str, Any] | None = None
    error: SfActorsError | None = None

    @property
    def is_silent(self) -> bool:
        """True if no answer came in time."""
        return self.value is None and self.error is None

    def result(self, timeout_s: float) -> dict[str, Any]:
        """Return the answer, or raise.

        :raises SfActorsError: the error that was answered
        :raises RequestTimeout: no answer came in time
        """
        if self.error is not None:
            raise self.error
        if self.value is None:
            raise RequestTimeout(f"{self.responder}: no answer within {timeout_s:g} s")
        return self.value


class InspectorClient:
    """The connections to inspectors; closed by `with`.

    :param keys: our own keys, for inspectors beyond this machine
    """

    def __init__(self, keys: Keys | None = None) -> None:
        self._keys = keys
        self._context = zmq.Context()
        self._sockets: dict[Responder, zmq.Socket[bytes]] = {}
        self._poller = zmq.Poller()
        # used as workflow ids, so that the log lines of a call can be found
        self._ids = (f"shell-{os.urandom(4).hex()}-{number}" for number in count(1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; unsent requests are dropped."""
        for socket in self._sockets.values():
            socket.close(0)
        self._sockets.clear()
        self._context.term()

    def ask(
        self, responder: Responder, verb: str, *, timeout_s: float, **args: Any
    ) -> dict[str, Any]:
        """Ask one inspector.

        :param timeout_s: how long to wait for the answer, in seconds
        :raises SfActorsError: the error that it answered with
        :raises RequestTimeout: no answer came in time
        """
        question = Question(responder, {"verb": verb, **args})
        return self.ask_all([question], timeout_s=timeout_s)[0].result(timeout_s)

    def ask_all(
        self,
        questions: Sequence[Question],
        *,
        timeout_s: float,
        is_enough: Callable[[Sequence[Answer]], bool] | None = None,
        enough_s: float = GRACE_S,
    ) -> list[Answer]:
        """Ask several questions at once; the answers are in the same order.

        :param timeout_s: how long to wait for all of them, in seconds
        :param is_enough: returns True if the answers so far are enough; asked after `enough_s`
        :param enough_s: how long to wait for all of them in any case, in seconds
        """
        began = monotonic()
        answers = [Answer(question.responder) for question in questions]
        waiting: dict[Responder, deque[int]] = {}
        for index, question in enumerate(questions):
            waiting.setdefault(question.responder, deque()).append(index)
        open_: dict[str, int] = {}

        def send_next(responder: Responder) -> None:
            if waiting[responder]:
                index = waiting[responder].popleft()
                number = next(self._ids)
                self._send(questions[index], number)
                open_[number] = index

        for responder in waiting:
            for _ in range(MOST_AT_ONCE):
                send_next(responder)
        while open_:
            now = monotonic()
            left = began + timeout_s - now
            if is_enough is not None:
                may_be_enough = began + enough_s - now
                if may_be_enough <= 0 and is_enough(answers):
                    break
                if may_be_enough > 0:
                    left = min(left, may_be_enough)
            readable = self._poller.poll(poll_ms(left)) if left > 0 else []
            for socket, _ in readable:
                for number, reply in _replies(socket):
                    index = open_.pop(number, -1)
                    # ignore a late reply to an earlier question
                    if index >= 0:
                        answers[index] = _answer(questions[index].responder, reply)
                        send_next(questions[index].responder)
            if not readable and monotonic() >= began + timeout_s:
                break
        return answers

    def ask_again(
        self, question: Question, times: int, *, at_once: int, timeout_s: float
    ) -> Iterator[tuple[Answer, float]]:
        """Ask one question many times, and yield the answers as they come.

        :param at_once: how many may be open at the same time
        :param timeout_s: how long to wait for each, in seconds
        :returns: each answer, and how long it took, in seconds
        """
        began: dict[str, float] = {}
        left = times
        while left or began:
            while left and len(began) < at_once:
                number = next(self._ids)
                began[number] = monotonic()
                self._send(question, number)
                left -= 1
            oldest = next(iter(began.values()))
            wait_s = oldest + timeout_s - monotonic()
            if wait_s <= 0:
                # the dict keeps the order of sending, so the first is the oldest
                number = next(iter(began))
                yield Answer(question.responder), monotonic() - began.pop(number)
                continue
            for socket, _ in self._poller.poll(poll_ms(wait_s)):
                for number, reply in _replies(socket):
                    if number in began:
                        took_s = monotonic() - began.pop(number)
                        yield _answer(question.responder, reply), took_s

    def _send(self, question: Question, number: str) -> None:
        packed = packed_or_refused({"args": question.args, "workflow_id": number})
        if len(packed) > MAX_REQUEST_BYTES:
            raise UsageError(
                f"expected a request of at most {MAX_REQUEST_BYTES} bytes, got {len(packed)}"
            )
        self._socket(question.responder).send_multipart([b"", packed])

    def _socket(self, responder: Responder) -> zmq.Socket[bytes]:
        socket = self._sockets.get(responder)
        if socket is None:
            socket = self._context.socket(zmq.DEALER)
            self._sockets[responder] = socket
            socket.linger = 0
            socket.sndhwm = socket.rcvhwm = 0
            if self._keys is not None:
                socket.curve_publickey = self._keys.own_public
                socket.curve_secretkey = self._keys.own_secret
                socket.curve_serverkey = self._keys.server_key("inspector")
            address = responder.numeric or responder.address
            socket.setsockopt(zmq.IPV6, int(address.startswith("tcp://[")))
            socket.connect(address)
            self._poller.register(socket, zmq.POLLIN)
        return socket


def _replies(socket: zmq.Socket[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the replies that a socket has now, each with the number of its question."""
    while True:
        try:
            frames = socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
        try:
            reply = msgspec.msgpack.decode(frames[-1])
        except (msgspec.DecodeError, RecursionError):
            # not from an inspector: the question stays unanswered
            continue
        if isinstance(reply, dict) and isinstance(number := reply.get("workflow_id"), str):
            yield number, reply


def packed_or_refused(message: dict[str, Any]) -> bytes:
    """Encode a message as MessagePack.

    :raises UsageError: it has an integer of more than 64 bits, or a text that is not valid Unicode
    """
    try:
        return msgspec.msgpack.encode(message)
    except (OverflowError, UnicodeEncodeError) as error:
        raise UsageError(f"expected what MessagePack can hold: {error}") from None


def questions(responders: Iterable[Responder], verb: str, **args: Any) -> list[Question]:
    """Return one question to each of several inspectors."""
    return [Question(responder, {"verb": verb, **args}) for responder in responders]


def _answer(responder: Responder, reply: dict[str, Any]) -> Answer:
    error = reply.get("error")
    if error is None:
        return Answer(responder, value=reply.get("return_args") or {})
    return Answer(responder, error=error_of(error, str(responder)))


def error_of(error: dict[str, Any], where: str) -> SfActorsError:
    """Return the exception for an error that was answered; its text is escaped, on one line."""
    kind, message = escaped(str(error.get("type"))), escaped(str(error.get("message")))
    if kind == RequestTimeout.__name__:
        return RequestTimeout(message)
    return RemoteError(kind, message, connection=where)
