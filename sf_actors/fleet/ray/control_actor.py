"""The actor that supervises a fleet, like `up` on one machine; it outlives the command."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ray

from sf_actors.errors import UserError
from sf_actors.fleet.arrangement import Arrangement
from sf_actors.fleet.changes import FleetChanges
from sf_actors.fleet.instance import InstancePhase
from sf_actors.fleet.ray.actor_registry import ActorRegistry, NodeAddresses, answered, end
from sf_actors.fleet.ray.events import Events
from sf_actors.fleet.ray.log_files import Piece, pieces
from sf_actors.fleet.ray.names import CONTROL
from sf_actors.fleet.ray.package import moved_fleet
from sf_actors.fleet.ray.requests import RemoteRequests
from sf_actors.fleet.ray.runner import ActorRun
from sf_actors.fleet.supervisor import Supervisor
from sf_actors.fleet.verb_answers import VerbAnswers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sf_actors.fleet.change_requests import ChangeRequest
    from sf_actors.fleet.check import Checked
    from sf_actors.fleet.fleet import Fleet
    from sf_actors.fleet.ray.actor_registry import Design
    from sf_actors.fleet.ray.events import EventBatch
    from sf_actors.fleet.runner import Runner
    from sf_actors.fleet.task import Task

#: How long a call for news waits for events, and how long the end waits for readers, in seconds.
NEWS_S: Final = 20.0
LEAVING_S: Final = 3.0

_ANSWER_S: Final = 10.0
_FAILED: Final = 1


class ControlActor:
    """Runs a fleet until it ends; its methods run in Ray's threads.

    :param names: the services to start; empty: all
    """

    def __init__(self, design: Design, names: Sequence[str] = ()) -> None:
        self._names = names
        #: the events that `up` shows: texts, log lines, that the start is over, the end
        self._shown = Events()
        self._requests = RemoteRequests()
        self._registry = ActorRegistry(design)
        self._supervisor: Supervisor | None = None
        self._answers: VerbAnswers | None = None
        self._changes: FleetChanges | None = None
        self._runs: list[ActorRun] = []
        #: the design that a verb has sent last
        self._offered = design
        self._began = threading.Event()
        threading.Thread(target=self._run, name="up", daemon=True).start()

    def __repr__(self) -> str:
        return f"up of {self._registry.design.fleet.name}"

    # called by others

    def is_there(self) -> bool:
        """Return True, which shows that the actor answers."""
        return True

    def news(self, last: int) -> EventBatch:
        """Return the next events for `up` to show, waiting for the first."""
        return self._shown.after(last, NEWS_S)

    def show_no_more(self) -> None:
        """Let go the `up` that has shown this fleet; the end of the fleet does not wait for it."""
        self._shown.dismiss()

    def end(self, number: int) -> None:
        """End the fleet; at the second call, at once."""
        self._began.wait()
        if self._supervisor is not None:
            supervisor = self._supervisor
            supervisor.post(lambda: supervisor.take_signal(number))

    def ask(self, **args: Any) -> int:
        """Accept a request of a verb; returns the number for `hear`."""
        number, request = self._requests.add(args)
        self._began.wait()
        supervisor, answers = self._supervisor, self._answers
        if supervisor is None or answers is None:
            request.report("the fleet has ended")
            request.end(_FAILED)
            return number
        self._offered = args.pop("design", self._offered)
        if args.get("verb") == "scale":
            # here, so that creating actors does not block the supervisor
            self._prepare(args["service"], args["count"])
        supervisor.post(lambda: answers.take(request))  # type: ignore[arg-type]
        return number

    def hear(self, number: int, last: int) -> EventBatch:
        """Return the next answers to a request, waiting for the first."""
        return self._requests.hear(number, last, NEWS_S)

    def log_pieces(self, known: dict[int, int]) -> list[Piece]:
        """Return the new pieces of the log files; as for `pieces`."""
        return pieces(Path.cwd() / "logs", known)

    # in its own thread

    def _run(self) -> None:
        status = _FAILED
        try:
            status = self._supervise()
        except UserError as error:
            self._shown.add(("say", str(error)))
        except BaseException as error:
            self._shown.add(("say", f"it cannot go on: {type(error).__name__}: {error}"))
            raise
        finally:
            self._supervisor = None
            self._began.set()
            self._registry.end()
            self._shown.add(("over", status))
            self._leave()

    def _supervise(self) -> int:
        registry = self._registry
        was_restarted = ray.get_runtime_context().was_current_actor_reconstructed
        adopted = registry.adopt() if was_restarted else []
        design = registry.design
        fleet = moved_fleet(design.fleet, Path.cwd())
        addresses = NodeAddresses(registry)
        arrangement = Arrangement(fleet, design.checked, addresses, _counts(fleet, adopted))
        registry.prepare(name for names in arrangement.names().values() for name in names)

        def runner(task: Task, *given: Any, **more: Any) -> Runner:
            run = ActorRun(
                task,
                *given,
                registry=registry,
                post=supervisor.post,
                moved=addresses.forget,
                **more,
            )
            self._runs = [*(one for one in self._runs if not one.is_over), run]
            return run

        supervisor = Supervisor(
            list(arrangement.instances()),
            fleet.folder,
            show=self._show,
            report=lambda words: self._shown.add(("say", words)),
            runner=runner,
        )
        answers = VerbAnswers(supervisor)
        changes = FleetChanges(
            supervisor, answers, arrangement, in_process=False, read_again=self._read_again
        )
        supervisor.on_over.append(answers.finish)
        supervisor.watch(self._sweep)
        names = answers.named(self._names)
        if adopted:
            names = [name for name in names if self._still_runs(supervisor, name)]
        supervisor.start(names)
        answers.when_settled(
            supervisor.course.with_needed(names),
            lambda _words: None,
            lambda found: self._shown.add(("settled", found)),
        )
        self._changes, self._answers, self._supervisor = changes, answers, supervisor
        self._began.set()
        return supervisor.run(takes_signals=False)

    def _show(self, name: str, line: dict[str, Any]) -> None:
        texts = [value for value in line.values() if isinstance(value, str)]
        self._shown.add(("line", name, line), sum(map(len, texts)))

    def _still_runs(self, supervisor: Supervisor, name: str) -> bool:
        """Return True if a found instance should run; False, noting it, if it has ended."""
        handle = self._registry.handle(name)
        if answered(handle.actor.has_ended.remote(), _ANSWER_S):
            instance = supervisor.course.instances[name]
            instance.phase, instance.status, instance.reason = (
                InstancePhase.ENDED,
                0,
                "ended before",
            )
            return False
        return True

    def _prepare(self, service: str, number: int) -> None:
        arrangement = None if self._changes is None else self._changes.arrangement
        found = None if arrangement is None else arrangement.fleet.by_name.get(service)
        if arrangement is None or found is None or arrangement.must_be_one(found) is not None:
            return
        try:
            self._registry.prepare(found.names_of(number))
        except UserError as error:
            self._shown.add(("say", str(error)))

    def _read_again(self, request: ChangeRequest) -> tuple[Fleet, Checked]:
        """Use the fleet that the verb has read and checked, and prepare its actors."""
        registry, design, changes = self._registry, self._offered, self._changes
        registry.design = design
        fleet = moved_fleet(design.fleet, Path.cwd())
        if changes is not None and not request.args.get("rolling"):
            wanted = request.args.get("names", ())
            old = changes.arrangement
            new = replace(old, fleet=fleet, checked=design.checked)
            names = [name for some in new.names().values() for name in some]
            for name in names:
                is_meant = not wanted or name in wanted or name.partition("#")[0] in wanted
                if is_meant and registry.is_outdated(name):
                    old.choose.renew(name)
            registry.prepare(names)
        return fleet, design.checked

    def _sweep(self) -> bool:
        """After each change, end the actors that are not needed any more."""
        supervisor = self._supervisor
        if supervisor is not None and not any(one.is_open for one in self._requests.all):
            used = [one.handle for one in self._runs if not one.is_over]
            self._registry.sweep(supervisor.course.instances, used)
        return False

    def _leave(self) -> None:
        """End this actor, once all verbs have received the end."""
        for request in self._requests.all:
            if request.is_open:
                request.report("the fleet has ended")
                request.end(_FAILED)
        for request in self._requests.all:
            request.answers.wait_seen(LEAVING_S)
        self._shown.wait_seen(LEAVING_S)
        end(ray.get_actor(CONTROL))


def _counts(fleet: Fleet, names: Sequence[str]) -> dict[str, int]:
    """Return the number of instances of each service, from the actors that were found."""
    return {
        service.name: sum(name.partition("#")[0] == service.name for name in names)
        for service in fleet.services
        if names and service.instances is not None
    }
