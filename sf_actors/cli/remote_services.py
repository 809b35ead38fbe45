"""Asks inspectors on behalf of a verb: finds services and models by name, and asks about them."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sf_actors.cli.descriptors import raise_descriptor_limit
from sf_actors.cli.fleet_processes import FleetProcesses
from sf_actors.cli.fleets import add_fleet
from sf_actors.cli.target import (
    RemoteModel,
    RemoteService,
    Target,
    chosen_model,
    chosen_service,
    models_of,
    parse_service,
)
from sf_actors.errors import (
    RemoteError,
    RequestTimeout,
    SfActorsError,
    TargetError,
    UsageError,
)
from sf_actors.inspection.client import Answer, InspectorClient, Question, Responder, questions
from sf_actors.inspection.folder import plain_name
from sf_actors.inspection.inspectors import inspectors_here

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from sf_actors.cli.parser import Parser

_Found = TypeVar("_Found")


def add_remote_flags(parser: Parser) -> None:
    """Add the flags that choose which inspectors a verb asks."""
    add_fleet(parser)
    parser.add_argument(
        "--at",
        metavar="ADDRESS",
        help="ask the inspector there: --at tcp://10.0.0.7:9000 --keys ./keys",
    )
    parser.add_argument("--keys", metavar="DIR", help="folder of CURVE keys, for --at")


class RemoteServices:
    """Asks the inspectors of this machine, or one elsewhere; closed by `with`.

    :param at: the address of an inspector, in place of those here
    :param keys: folder of CURVE keys, for `at`
    :param timeout_s: how long to wait for one answer, in seconds
    :param fleet: the fleet to look in, only or first
    :raises FolderError: the folder of the sockets is not safe
    :raises TargetError: nobody listens at `at`
    :raises KeysError: the keys cannot be used
    """

    def __init__(
        self,
        *,
        at: str | None = None,
        keys: str | None = None,
        timeout_s: float = 5.0,
        fleet: FleetProcesses | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._fleet = fleet
        raise_descriptor_limit()
        loaded = None
        if at is None:
            if keys is not None:
                raise UsageError("--keys: expected --at ADDRESS beside it, got none")
        elif keys is not None:
            from sf_actors.sockets.keys import load  # noqa: PLC0415 - seldom used

            loaded = load(keys)
        self._at = None if at is None else responder_at(at, timeout_s, flag="--at")
        self.client = InspectorClient(loaded)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """Create one from the flags of `add_remote_flags` and `--timeout`."""
        fleet = None
        if arguments.at is None:
            fleet = FleetProcesses.of(arguments)
        elif arguments.fleet is not None:
            raise UsageError("--fleet: expected no --at beside it, got one")
        return cls(at=arguments.at, keys=arguments.keys, timeout_s=arguments.timeout, fleet=fleet)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.client.close()

    def inspectors(self) -> list[Responder]:
        """Return the inspectors that run now."""
        if self._at is not None:
            return [self._at]
        inspectors = inspectors_here()
        return self._fleet.of_it(inspectors) if self._fleet and self._fleet.is_alone else inspectors

    def is_gone(self, inspector: Responder) -> bool:
        """Return True if an inspector no longer listens; a silent process still listens."""
        if self._at is None:
            return inspector not in inspectors_here()
        try:
            responder_at(inspector.address, self.timeout_s, flag="--at")
        except TargetError:
            return True
        return False

    def service(self, target: Target) -> RemoteService:
        """Return the service that was named.

        :raises UsageError: there are several
        :raises TargetError: there is none
        :raises RequestTimeout: a process that may run it does not answer
        """
        services, silent = self._services(target)
        try:
            return self._chosen(services, lambda some: chosen_service(target, some))
        except TargetError as error:
            raise self._not_found(silent, target, error) from None

    def model(
        self,
        target: Target,
        is_usable: Callable[[RemoteModel], bool],
        *,
        what: str,
        prefers_binder: bool = False,
    ) -> RemoteModel:
        """Return the model that was named; errors as of `service`.

        :param what: names the usable kind of model in error messages
        """
        services, silent = self._services(target)
        if target.model:
            try:
                services = [self._chosen(services, lambda some: chosen_service(target, some))]
            except TargetError as error:
                raise self._not_found(silent, target, error) from None
        asked = [Question(one.inspector, {"verb": "info", "service": one.name}) for one in services]
        infos = self.client.ask_all(asked, timeout_s=self.timeout_s)
        silent += [answer for answer in infos if answer.is_silent]
        models = {
            one: list(models_of(one, info.value or {}))
            for one, info in zip(services, infos, strict=True)
        }

        def of_some(some: Sequence[RemoteService]) -> RemoteModel:
            found = [model for one in some for model in models[one]]
            return chosen_model(target, found, is_usable, what=what, prefers_binder=prefers_binder)

        try:
            return self._chosen(services, of_some)
        except TargetError as error:
            raise self._not_found(silent, target, error) from None

    def ask(
        self, service: RemoteService, verb: str, *, timeout_s: float | None = None, **args: Any
    ) -> dict[str, Any]:
        """Ask the inspector of a service.

        :raises RequestTimeout: no answer came in time
        :raises SfActorsError: the inspector refused, for the reason in the message
        """
        longest = self.timeout_s if timeout_s is None else timeout_s
        args["service"] = service.name
        try:
            return self.client.ask(service.inspector, verb, timeout_s=longest, **args)
        except RemoteError as error:
            raise SfActorsError(f"{service}: {error.message}") from None

    def _chosen(
        self, services: Sequence[RemoteService], choose: Callable[[Sequence[RemoteService]], _Found]
    ) -> _Found:
        """Choose among the services of the fleet first, then among all."""
        if self._fleet is not None and not self._fleet.is_alone:
            pids = self._fleet.pids()
            if ours := [one for one in services if one.inspector.pid in pids]:
                with suppress(TargetError):
                    return choose(ours)
        return choose(services)

    def _services(self, target: Target) -> tuple[list[RemoteService], list[Answer]]:
        """Return the services and the silent inspectors; waits only for those that may matter."""

        def is_enough(answers: Sequence[Answer]) -> bool:
            if not target.model:
                # a bare name may be a model of any service
                return any(one.value is not None for one in answers) and not any(
                    one.is_silent and _may_be_in(target, one.responder) for one in answers
                )
            return any(
                target.is_service(one.responder.pid, name)
                for one in answers
                for name in (one.value or {}).get("services", ())
            )

        asked = questions(self.inspectors(), "ping")
        answers = self.client.ask_all(asked, timeout_s=self.timeout_s, is_enough=is_enough)
        services = [
            RemoteService(one.responder, name, (one.value or {}).get("pid"))
            for one in answers
            for name in (one.value or {}).get("services", ())
        ]
        return services, [one for one in answers if one.is_silent]

    def _not_found(
        self, silent: Sequence[Answer], target: Target, error: TargetError
    ) -> TargetError | RequestTimeout:
        """Return the error for what was not found, with the silent processes that may have it."""
        for answer in silent:
            if _may_be_in(target, answer.responder):
                return RequestTimeout(f"{answer.responder}: no answer within {self.timeout_s:g} s")
        words = str(error)
        if silent:
            listed = ", ".join(str(answer.responder) for answer in silent[:5])
            words += f"; no answer came from {listed}"
        if self._fleet is not None and self._fleet.is_alone:
            words += self._fleet.absence()
        not_found = TargetError(words)
        not_found.is_there = error.is_there
        return not_found


def service_named(remote: RemoteServices, text: str) -> RemoteService:
    """Return the service named by a text; errors as of `service` and `parse_service`."""
    return remote.service(parse_service(text))


def _may_be_in(target: Target, responder: Responder) -> bool:
    """Return True if a silent process may be the one that was named."""
    if target.pid is not None:
        return target.pid == responder.pid
    return responder.pid is None or plain_name(target.service.partition("#")[0]) == responder.name


def responder_at(address: str, timeout_s: float, *, flag: str) -> Responder:
    """Return an address as a responder, if somebody listens there.

    :raises UsageError: it is not an address
    :raises TargetError: nobody listens there
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        scheme, rest = "tcp", address
    host, _, port = rest.rpartition(":")
    if scheme == "ipc" and rest:
        kind, there = socket.AF_UNIX, rest
    elif scheme == "tcp" and host and port.isdigit() and 0 < int(port) < 65536:
        kind, there = socket.AF_INET, ""
    else:
        raise UsageError(
            f"{flag}: expected HOST:PORT, tcp://HOST:PORT or ipc://PATH, got {address!r}"
        )
    numeric = ""
    try:
        if kind == socket.AF_UNIX:
            with socket.socket(kind, socket.SOCK_STREAM) as probe:
                probe.settimeout(timeout_s)
                probe.connect(there)
        else:
            with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as probe:
                peer = str(probe.getpeername()[0])
            numeric = f"tcp://[{peer}]:{port}" if ":" in peer else f"tcp://{peer}:{port}"
    except TimeoutError:
        raise RequestTimeout(f"{address}: no connection within {timeout_s:g} s") from None
    except OSError as error:
        raise TargetError(f"{flag} {address}: {error.strerror or error}") from None
    return Responder(f"{scheme}://{rest}", numeric=numeric)
