"""The course of a fleet, as a machine: no process, no clock."""

from __future__ import annotations

import signal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from sf_actors.fleet.actions import Action, Finish, Kill, Signal, Start
from sf_actors.fleet.course import GRACE_S, Course
from sf_actors.fleet.instance import RUNNING, InstancePhase, Member
from sf_actors.fleet.levels import levels_of


def course_of(*members: Member) -> Course:
    course = Course(members)
    course.start(list(course.instances), 0.0)
    return course


def test_a_service_starts_when_what_it_is_after_is_ready() -> None:
    course = Course([Member("b", "b", after=("a",)), Member("a", "a")])

    assert course.start(["a", "b"], 0.0) == [Start("a")]
    assert Start("b") in course.ready("a", 1.0)


def test_a_service_starts_when_what_it_is_after_has_ended_with_0() -> None:
    course = course_of(Member("b", "b", after=("a",)), Member("a", "a"))

    assert Start("b") in course.ended("a", 0, 1.0)


def test_a_service_waits_for_all_instances_of_what_it_is_after() -> None:
    course = course_of(Member("b", "b", after=("a",)), Member("a#1", "a"), Member("a#2", "a"))

    assert Start("b") not in course.ready("a#1", 1.0)
    assert course.reason_of("b", 1.0) == "waits for a"
    assert Start("b") in course.ready("a#2", 1.0)


def test_one_waits_in_vain_for_what_has_failed_however_far() -> None:
    course = course_of(
        Member("c", "c", after=("b",)),
        Member("b", "b", after=("a",)),
        Member("a", "a", restart="never"),
        Member("other", "other"),
    )
    assert not course.waits_in_vain("c")
    course.ended("a", 1, 1.0)

    assert course.waits_in_vain("b")
    assert course.waits_in_vain("c")
    assert not course.waits_in_vain("other")
    course.start(["a"], 2.0)
    assert not course.waits_in_vain("c")


def test_a_signal_in_an_end_that_a_verb_has_begun_kills_nothing() -> None:
    course = course_of(Member("a", "a"))
    course.end(signal.SIGTERM, 1.0)
    course.end(signal.SIGTERM, 1.1)

    assert course.take_signal(signal.SIGINT, 1.2) == []
    assert course.take_signal(signal.SIGINT, 1.3) == [Kill("a"), Finish(130, is_at_once=True)]


def test_a_restart_does_not_look_at_what_the_service_is_after() -> None:
    course = course_of(Member("b", "b", after=("a",), restart="always"), Member("a", "a"))
    course.ready("a", 1.0)
    course.ready("b", 1.0)
    course.stop(["a"], 2.0)
    course.ended("a", 0, 2.0)
    course.ended("b", 1, 2.0)

    assert course.pass_time(2.3) == [Start("b")]


def test_naming_a_service_starts_what_it_is_after_too() -> None:
    course = Course(
        [Member("c", "c", after=("b",)), Member("b", "b", after=("a",)), Member("a", "a")]
    )

    assert course.start(["c"], 0.0) == [Start("a")]
    assert course.instances["b"].phase is InstancePhase.WAITS


def test_those_in_main_mode_stop_first_and_then_level_by_level() -> None:
    course = course_of(
        Member("a", "a"), Member("b", "b", after=("a",)), Member("m", "m", is_main=True)
    )
    for name in ("a", "b", "m"):
        course.ready(name, 1.0)

    assert course.take_signal(signal.SIGINT, 2.0) == [Signal("m", signal.SIGINT)]
    assert Signal("b", signal.SIGINT) in course.ended("m", 0, 3.0)
    assert Signal("a", signal.SIGINT) in course.ended("b", 0, 4.0)
    assert Finish(0) in course.ended("a", 0, 5.0)


def test_a_fleet_one_of_whose_services_had_to_be_killed_ends_with_1() -> None:
    course = course_of(Member("a", "a", stop_timeout_s=2.0))
    course.take_signal(signal.SIGTERM, 0.0)

    assert course.next_due() == 2.0 + GRACE_S
    assert Kill("a") in course.pass_time(2.0 + GRACE_S)
    assert Finish(1) in course.ended("a", -9, 6.0)


def test_a_second_signal_kills_what_is_left_and_ends_at_once() -> None:
    course = course_of(Member("a", "a"), Member("b", "b"))
    course.take_signal(signal.SIGINT, 1.0)

    assert course.take_signal(signal.SIGINT, 1.1) == [
        Kill("a"),
        Kill("b"),
        Finish(130, is_at_once=True),
    ]


def test_the_first_signal_in_an_end_of_its_own_kills_nothing() -> None:
    course = course_of(Member("a", "a"), Member("m", "m", ends_fleet=True))
    course.ended("m", 7, 1.0)

    assert course.take_signal(signal.SIGINT, 1.1) == []
    assert course.take_signal(signal.SIGINT, 1.2) == [Kill("a"), Finish(130, is_at_once=True)]


def test_the_end_of_what_ends_the_fleet_is_the_fleets() -> None:
    course = course_of(Member("a", "a"), Member("m", "m", ends_fleet=True, is_main=True))

    assert Signal("a", signal.SIGTERM) in course.ended("m", 7, 1.0)
    assert Finish(7) in course.ended("a", 0, 2.0)


def test_a_fleet_ends_when_nothing_runs_and_nothing_will() -> None:
    course = course_of(Member("a", "a", restart="never"), Member("b", "b"))
    course.ended("b", 0, 1.0)

    assert Finish(1) in course.ended("a", 1, 2.0)


def test_a_fleet_all_of_whose_services_ended_with_0_ends_with_0() -> None:
    course = course_of(Member("a", "a"), Member("b", "b"))
    course.ended("b", 0, 1.0)

    assert Finish(0) in course.ended("a", 0, 2.0)


def test_a_fleet_whose_last_service_a_verb_has_stopped_goes_on() -> None:
    course = course_of(Member("a", "a"))
    course.ready("a", 1.0)
    course.stop(["a"], 2.0)

    assert not any(isinstance(one, Finish) for one in course.ended("a", 0, 3.0))
    assert course.start(["a"], 4.0) == [Start("a")]


def test_what_a_verb_has_stopped_is_not_run_again() -> None:
    course = course_of(Member("a", "a", restart="always"))
    course.ready("a", 1.0)

    assert course.stop(["a"], 2.0) == [Signal("a", signal.SIGTERM)]
    course.ended("a", 1, 3.0)
    assert course.instances["a"].phase is InstancePhase.STOPPED
    assert course.next_due() is None


def test_a_restart_by_a_verb_stops_and_then_starts() -> None:
    course = course_of(Member("a", "a"))
    course.ready("a", 1.0)

    assert course.stop(["a"], 2.0, runs_again=True) == [Signal("a", signal.SIGTERM)]
    assert course.ended("a", 0, 3.0) == [Start("a")]


def test_a_service_that_waits_for_one_that_failed_does_not_keep_the_fleet() -> None:
    course = course_of(Member("a", "a", restart="never"), Member("b", "b", after=("a",)))

    assert Finish(1) in course.ended("a", 1, 1.0)


def test_a_service_that_waits_for_one_that_was_stopped_makes_the_end_a_failure() -> None:
    course = course_of(Member("a", "a"), Member("b", "b", after=("a",)), Member("c", "c"))
    course.stop(["a"], 1.0)
    course.ended("a", 0, 1.1)

    assert Finish(1) in course.ended("c", 0, 2.0)


def test_a_job_that_has_ended_is_not_run_again_for_one_that_is_after_it() -> None:
    course = course_of(Member("job", "job"), Member("b", "b", after=("job",)))
    course.ended("job", 0, 1.0)
    course.stop(["b"], 2.0)
    course.ended("b", 0, 2.1)

    assert course.start(["b"], 3.0) == [Start("b")]
    assert course.instances["job"].phase is InstancePhase.ENDED


def test_a_restart_that_is_under_way_when_the_fleet_ends_is_none() -> None:
    course = course_of(Member("a", "a"))
    course.ready("a", 1.0)
    course.stop(["a"], 2.0, runs_again=True)
    course.take_signal(signal.SIGTERM, 2.1)

    assert Finish(0) in course.ended("a", 0, 3.0)


MEMBERS = (
    Member("db", "db", restart="always", stop_timeout_s=1.0),
    Member("setup", "setup", restart="never"),
    Member("api#1", "api", after=("db",)),
    Member("api#2", "api", after=("db",)),
    Member("web", "web", after=("api", "setup")),
    Member("load", "load", is_main=True, ends_fleet=True),
)
BY_NAME = {one.name: one for one in MEMBERS}
LEVELS = levels_of({one.service: one.after for one in MEMBERS})


class CourseMachine(RuleBasedStateMachine):
    """Plays the processes, and holds each action against what the contract says."""

    @initialize(names=st.lists(st.sampled_from(sorted(BY_NAME)), min_size=1, unique=True))
    def begin(self, names: list[str]) -> None:
        self.now = 0.0
        self.course = Course(MEMBERS)
        self.alive: set[str] = set()
        self.ready: set[str] = set()
        self.ended_well: set[str] = set()
        self.ran: set[str] = set()
        self.starts: dict[str, list[float]] = {}
        self.by_verb: set[str] = set()
        self.status: int | None = None
        self.is_ending = False
        self.was_killed = False
        self.act(self.course.start(names, self.now))

    def act(self, actions: list[Action]) -> None:
        for action in actions:
            assert self.status is None, "nothing is done after the end"
            if isinstance(action, Start):
                self.take_start(action.name)
            elif isinstance(action, Signal):
                assert action.name in self.alive
                if self.is_ending:
                    self.check_level(action.name)
            elif isinstance(action, Kill):
                assert action.name in self.alive
            elif isinstance(action, Finish):
                assert not self.alive
                self.status = action.status

    def take_start(self, name: str) -> None:
        assert name not in self.alive, "it runs already"
        assert not self.is_ending, "nothing starts while the fleet ends"
        if name not in self.ran:
            for one in MEMBERS:
                if one.service in BY_NAME[name].after:
                    assert one.name in self.ready or one.name in self.ended_well
        times = self.starts.setdefault(name, [])
        if name in self.by_verb:
            times.clear()
        times.append(self.now)
        assert len([one for one in times[1:] if one > self.now - 60.0]) <= 5
        self.by_verb.discard(name)
        self.ran.add(name)
        self.alive.add(name)
        self.ended_well.discard(name)

    def check_level(self, name: str) -> None:
        mine = BY_NAME[name]
        for other in (BY_NAME[one] for one in self.alive if one != name):
            if other.is_main:
                assert mine.is_main
            elif not mine.is_main:
                assert LEVELS[other.service] <= LEVELS[mine.service]

    def running(self) -> bool:
        return self.status is None and bool(self.alive)

    @precondition(running)
    @rule(number=st.integers(0, 9))
    def one_is_ready(self, number: int) -> None:
        name = sorted(self.alive)[number % len(self.alive)]
        if self.course.instances[name].phase is InstancePhase.STARTS:
            self.ready.add(name)
        self.act(self.course.ready(name, self.now))

    @precondition(running)
    @rule(number=st.integers(0, 9), status=st.sampled_from((0, 0, 1, 2, -9)))
    def one_ends(self, number: int, status: int) -> None:
        name = sorted(self.alive)[number % len(self.alive)]
        self.alive.discard(name)
        self.ready.discard(name)
        instance = self.course.instances[name]
        if instance.phase is InstancePhase.STOPS:
            self.was_killed |= self.is_ending and status == -signal.SIGKILL
        else:
            if status == 0 and BY_NAME[name].restart != "always":
                self.ended_well.add(name)
            if BY_NAME[name].ends_fleet:
                self.is_ending = True
        self.act(self.course.ended(name, status, self.now))

    @precondition(lambda self: self.status is None)
    @rule(seconds=st.floats(0.01, 40.0))
    def time_passes(self, seconds: float) -> None:
        due = self.course.next_due()
        self.now += seconds
        if due is not None:
            self.now = min(self.now, max(due, self.now - seconds))
        self.act(self.course.pass_time(self.now))

    @precondition(lambda self: self.status is None)
    @rule(name=st.sampled_from(sorted(BY_NAME)), runs_again=st.booleans())
    def a_verb_stops_one(self, name: str, runs_again: bool) -> None:
        if runs_again:
            self.by_verb.add(name)
            self.ran.add(name)
        self.act(self.course.stop([name], self.now, runs_again=runs_again))

    @precondition(lambda self: self.status is None)
    @rule(name=st.sampled_from(sorted(BY_NAME)))
    def a_verb_starts_one(self, name: str) -> None:
        for one in self.course.with_needed([name]):
            if self.course.instances[one].phase not in {
                InstancePhase.RESTARTS,
                InstancePhase.READY,
                InstancePhase.STARTS,
            }:
                self.by_verb.add(one)
                if self.course.instances[one].phase is not InstancePhase.STOPS:
                    self.ran.discard(one)
        self.act(self.course.start([name], self.now))

    @precondition(lambda self: self.status is None and not self.is_ending)
    @rule()
    def it_is_to_end(self) -> None:
        self.is_ending = True
        self.act(self.course.take_signal(signal.SIGINT, self.now))

    @precondition(lambda self: self.status is not None)
    @rule()
    def after_the_end_nothing_is_done(self) -> None:
        assert not self.course.pass_time(self.now + 100.0)
        assert not self.course.take_signal(signal.SIGINT, self.now)
        assert not self.course.start(["db"], self.now)

    @invariant()
    def it_ends_when_all_have_ended_in_its_end(self) -> None:
        if getattr(self, "is_ending", False) and not self.alive:
            assert self.status is not None
            assert self.status != 0 or not self.was_killed

    @invariant()
    def what_runs_is_what_it_takes_for_running(self) -> None:
        if getattr(self, "status", 0) is None:
            instances = self.course.instances
            assert {name for name in instances if instances[name].phase in RUNNING} == self.alive

    @invariant()
    def nothing_waits_without_a_time_or_a_reason(self) -> None:
        if getattr(self, "status", 0) is None:
            for name, instance in self.course.instances.items():
                if instance.phase is InstancePhase.RESTARTS:
                    assert instance.due is not None
                if instance.phase is InstancePhase.WAITS:
                    assert self.course.reason_of(name, self.now) != "waits for "


CourseMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCourseMachine = CourseMachine.TestCase
