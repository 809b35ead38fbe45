"""The course of a fleet: decides which instance starts, stops and restarts, and when.

A state machine without processes or a clock: it takes events with their times, and returns the
actions to perform. One thread.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from sf_actors.fleet.actions import (
    Action,
    Finish,
    Kill,
    Say,
    Signal,
    Start,
    exit_status,
    shown_end,
)
from sf_actors.fleet.instance import RUNNING, InstancePhase, InstanceState, Member
from sf_actors.fleet.levels import levels_of
from sf_actors.fleet.restarts import Restarts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: How much longer than its `stop_timeout_s` an instance may take to end, in seconds.
GRACE_S: Final = 5.0


class Course:
    """The course of one fleet, from its start to its end.

    :ivar was_stopped: True once a verb or a signal has ended the fleet
    """

    def __init__(self, members: Iterable[Member]) -> None:
        self.instances: dict[str, InstanceState] = {}
        self._actions: list[Action] = []
        self._ending: list[list[str]] | None = None
        self._signal = signal.SIGTERM
        self._status = 0
        self._had_to_kill = False
        self._is_over = False
        self._was_asked = False
        self.was_stopped = False
        for member in members:
            self.add(member)

    # queries

    @property
    def is_ending(self) -> bool:
        """True once the fleet has begun to end."""
        return self._ending is not None

    @property
    def had_to_kill(self) -> bool:
        """True if an instance exceeded its deadline while the fleet ended."""
        return self._had_to_kill

    def next_due(self) -> float | None:
        """Return the time at which `pass_time` must be called, in seconds, or None."""
        return min(
            (one.due for one in self.instances.values() if one.due is not None), default=None
        )

    def phase_of(self, name: str) -> InstancePhase:
        """Return the phase of an instance; STOPPED if it is unknown."""
        instance = self.instances.get(name)
        return InstancePhase.STOPPED if instance is None else instance.phase

    def reason_of(self, name: str, now: float) -> str:
        """Return why an instance does not run, as `ps` shows it."""
        instance = self.instances[name]
        if instance.phase is InstancePhase.WAITS:
            return f"waits for {', '.join(self._lacking(instance.member))}"
        if instance.phase is InstancePhase.RESTARTS and instance.due is not None:
            return f"restarts in {max(0.0, instance.due - now):.1f} s"
        return instance.reason

    def waits_in_vain(self, name: str) -> bool:
        """Return True if an instance waits for one that has failed or was stopped."""
        instance = self.instances[name]
        if instance.phase is not InstancePhase.WAITS:
            return False
        lacking = self._lacking(instance.member)
        return any(
            one.phase in {InstancePhase.FAILED, InstancePhase.STOPPED} or self.waits_in_vain(other)
            for other, one in self.instances.items()
            if one.member.service in lacking
        )

    # events

    def add(self, member: Member) -> None:
        """Add an instance that is not started yet, or replace the rules of a known one."""
        old = self.instances.get(member.name)
        if old is None:
            self.instances[member.name] = InstanceState(member, Restarts(member.restart))
        else:
            old.member, old.restarts = member, old.restarts.renewed(member.restart)

    def remove(self, name: str) -> None:
        """Remove an instance that does not run."""
        del self.instances[name]

    def start(self, names: Collection[str], now: float) -> list[Action]:
        """Start instances that do not run, and the services that they come `after`."""
        if self._ending is None:
            for name in self.with_needed(names):
                instance = self.instances[name]
                if name not in names and instance.phase is InstancePhase.ENDED:
                    # it has done its work
                    continue
                if instance.phase in {
                    InstancePhase.STOPPED,
                    InstancePhase.FAILED,
                    InstancePhase.ENDED,
                }:
                    instance.phase, instance.reason, instance.due = InstancePhase.WAITS, "", None
                    instance.restarts = instance.restarts.renewed(instance.member.restart)
                elif instance.phase is InstancePhase.STOPS:
                    instance.runs_again = True
            self._start_waiting(now)
        return self._taken()

    def ready(self, name: str, now: float) -> list[Action]:
        """Note that an instance is READY."""
        instance = self.instances[name]
        if instance.phase is InstancePhase.STARTS:
            instance.phase = InstancePhase.READY
            instance.restarts.note_ready(now)
            self._actions.append(Say(name, "READY"))
            self._start_waiting(now)
        return self._taken()

    def take_over(self, name: str, now: float) -> None:
        """Note that the successor of an instance, started beside it, is READY."""
        instance = self.instances[name]
        if self._ending is None:
            instance.phase, instance.reason, instance.due = InstancePhase.READY, "", None
            instance.restarts.note_ready(now)

    def ended(self, name: str, status: int, now: float) -> list[Action]:
        """Note that the process of an instance has ended.

        :param status: its exit status, negative for a signal
        """
        instance = self.instances[name]
        if instance.phase not in RUNNING or self._is_over:
            return self._taken()
        instance.status, instance.due = status, None
        if status == -signal.SIGKILL and instance.phase is InstancePhase.STOPS:
            instance.was_killed = True
            # only what is killed while the fleet ends counts, not an earlier stop by a verb
            self._had_to_kill = self._had_to_kill or self._ending is not None
        by_verb = instance.phase is InstancePhase.STOPS
        if by_verb:
            self._take_stopped(instance)
        else:
            self._take_end(instance, status, now)
        if self._ending is not None:
            self._end_on(now)
        else:
            self._start_waiting(now)
            if not by_verb:
                self._end_if_nothing_runs()
        return self._taken()

    def pass_time(self, now: float) -> list[Action]:
        """Restart and kill what is due."""
        for name, instance in self.instances.items():
            if instance.due is None or instance.due > now:
                continue
            if instance.phase is InstancePhase.RESTARTS:
                self._run(instance, now)
            else:
                instance.due = None
                text = (
                    f"has not ended within {instance.member.stop_timeout_s + GRACE_S:g} s: killed"
                )
                self._actions += [Say(name, text, is_bad=True), Kill(name)]
        return self._taken()

    def stop(self, names: Iterable[str], now: float, *, runs_again: bool = False) -> list[Action]:
        """Stop instances for a verb; they stay stopped unless `runs_again`."""
        for name in names if self._ending is None else ():
            instance = self.instances[name]
            if instance.phase in {InstancePhase.STARTS, InstancePhase.READY}:
                self._signal_stop(instance, signal.SIGTERM, now)
                instance.runs_again = runs_again
            elif instance.phase is InstancePhase.STOPS:
                instance.runs_again = runs_again
            elif runs_again:
                self._run(instance, now)
            elif instance.phase in {InstancePhase.WAITS, InstancePhase.RESTARTS}:
                instance.phase, instance.reason, instance.due = (
                    InstancePhase.STOPPED,
                    "stopped",
                    None,
                )
        return self._taken()

    def end(self, number: int, now: float, *, status: int = 0) -> list[Action]:
        """End the fleet level by level, unless it is already ending.

        :param number: the signal to pass on
        :param status: the fleet's exit status if all ends well
        """
        if self._ending is None:
            self.was_stopped = True
            self._status = status
            self._begin_end(number, now)
        return self._taken()

    def take_signal(self, number: int, now: float) -> list[Action]:
        """End the fleet as `end` does; at the second signal, kill everything.

        If the fleet is already ending for another reason, the first signal changes nothing.
        """
        was_asked, self._was_asked = self._was_asked, True
        if not was_asked or self._ending is None:
            return self.end(number, now)
        if not self._is_over:
            self._is_over = True
            running = [one for one in self.instances.values() if one.phase in RUNNING]
            self._actions += [Kill(one.member.name) for one in running]
            self._actions.append(Finish(128 + number, is_at_once=True))
        return self._taken()

    # internal

    def _take_stopped(self, instance: InstanceState) -> None:
        runs_again, instance.runs_again = instance.runs_again, False
        instance.phase, instance.reason = InstancePhase.STOPPED, "stopped"
        if runs_again and self._ending is None:
            self._run(instance, instance.began)
        else:
            self._actions.append(Say(instance.member.name, "has stopped"))

    def _take_end(self, instance: InstanceState, status: int, now: float) -> None:
        member = instance.member
        how = shown_end(status)
        instance.reason = how
        pause_s, refusal = None, ""
        if self._ending is None and not member.ends_fleet:
            pause_s = instance.restarts.pause_after(status, now)
            refusal = instance.restarts.refusal
        if pause_s is not None:
            instance.phase, instance.due = InstancePhase.RESTARTS, now + pause_s
            text = f"{how}; restarts in {pause_s:g} s"
            self._actions.append(Say(member.name, text, is_bad=status != 0))
            return
        instance.phase = InstancePhase.ENDED if status == 0 else InstancePhase.FAILED
        if refusal:
            instance.reason = f"{how}: {refusal}"
        self._actions.append(Say(member.name, instance.reason, is_bad=status != 0))
        if member.ends_fleet and self._ending is None:
            self._status = exit_status(status)
            self._begin_end(signal.SIGTERM, now)

    def _begin_end(self, number: int, now: float) -> None:
        self._signal = signal.Signals(number)
        levels = levels_of(
            {one.member.service: one.member.after for one in self.instances.values()}
        )
        stages: dict[int, list[str]] = {}
        for name, instance in self.instances.items():
            if instance.phase in {InstancePhase.WAITS, InstancePhase.RESTARTS}:
                instance.phase, instance.reason, instance.due = (
                    InstancePhase.STOPPED,
                    "stopped",
                    None,
                )
            elif instance.phase in RUNNING:
                member = instance.member
                # services in main mode stop first
                stage = len(levels) if member.is_main else levels[member.service]
                stages.setdefault(stage, []).append(name)
        self._ending = [stages[stage] for stage in sorted(stages)]
        self._stop_stage(now)
        self._end_on(now)

    def _end_on(self, now: float) -> None:
        """Stop the next level once all instances of this one have ended."""
        while self._ending:
            if any(self.instances[name].phase in RUNNING for name in self._ending[-1]):
                return
            self._ending.pop()
            self._stop_stage(now)
        if not self._is_over:
            self._is_over = True
            killed = 1 if self._had_to_kill else 0
            self._actions.append(Finish(self._status or killed))

    def _stop_stage(self, now: float) -> None:
        if self._ending:
            for name in self._ending[-1]:
                instance = self.instances[name]
                if instance.phase in {InstancePhase.STARTS, InstancePhase.READY}:
                    self._signal_stop(instance, self._signal, now)

    def _signal_stop(self, instance: InstanceState, number: int, now: float) -> None:
        instance.phase, instance.reason, instance.was_killed = InstancePhase.STOPS, "", False
        instance.due = now + instance.member.stop_timeout_s + GRACE_S
        self._actions.append(Signal(instance.member.name, number))

    def _run(self, instance: InstanceState, now: float) -> None:
        instance.phase, instance.reason, instance.due = InstancePhase.STARTS, "", None
        instance.began = now
        self._actions.append(Start(instance.member.name))

    def _start_waiting(self, now: float) -> None:
        for instance in self.instances.values():
            if instance.phase is InstancePhase.WAITS and not self._lacking(instance.member):
                self._run(instance, now)

    def _lacking(self, member: Member) -> list[str]:
        """Return the services that an instance still waits for."""
        return [service for service in member.after if not self._is_there(service)]

    def _is_there(self, service: str) -> bool:
        return all(
            one.phase is InstancePhase.READY
            or (one.phase is InstancePhase.ENDED and one.status == 0)
            for one in self.instances.values()
            if one.member.service == service
        )

    def _end_if_nothing_runs(self) -> None:
        phases = {one.phase for one in self.instances.values()}
        if self._is_over or phases & {*RUNNING, InstancePhase.RESTARTS}:
            return
        # whatever still waits, waits for something that does not run
        self._ending, self._is_over = [], True
        self._actions.append(
            Finish(1 if phases & {InstancePhase.FAILED, InstancePhase.WAITS} else 0)
        )

    def with_needed(self, names: Collection[str]) -> list[str]:
        """Return instances, and those of all services that they come `after`, even indirectly."""
        services = {self.instances[name].member.service for name in names}
        waiting = list(services)
        after = {one.member.service: one.member.after for one in self.instances.values()}
        needed: set[str] = set()
        while waiting:
            for service in after.get(waiting.pop(), ()):
                if service not in needed:
                    needed.add(service)
                    waiting.append(service)
        return [
            name
            for name, one in self.instances.items()
            if name in names or one.member.service in needed
        ]

    def _taken(self) -> list[Action]:
        actions, self._actions = self._actions, []
        return actions
