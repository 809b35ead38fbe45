from __future__ import annotations

import asyncio
import logging
import logging.config
import pickle
import re
import sys
import threading
import time
from collections import UserDict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import structlog
from structlog.typing import BindableLogger, FilteringBoundLogger

from sf_actors.errors import ServiceStopped
from sf_actors.log import WORKFLOW_ID, get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.log.lines import DEADLINE_S, Console, Unshowable, nested

LOG = get_logger()


@pytest.mark.usefixtures("svc")
def test_a_line_begins_with_what_every_line_has(console: Console) -> None:
    LOG.info("got", x=1)

    line = console.line()
    assert list(line) == ["timestamp", "level", "event", "service", "x"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line.pop("timestamp"))
    assert line == {"level": "info", "event": "got", "service": "svc", "x": 1}


@pytest.mark.usefixtures("svc")
def test_the_timestamp_is_utc(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        LOG.info("now")
    finally:
        monkeypatch.undo()
        time.tzset()

    written = datetime.fromisoformat(console.line()["timestamp"])
    assert abs(datetime.now(UTC) - written) < timedelta(minutes=1)


@pytest.mark.usefixtures("svc")
def test_each_method_writes_its_level(console: Console) -> None:
    for method in (LOG.debug, LOG.info, LOG.warning, LOG.error, LOG.critical, LOG.exception):
        method("x")
    LOG.warn("x")  # noqa: G010 - structlog has it
    LOG.msg("x")
    LOG.fatal("x")
    LOG.log(logging.WARNING, "x")
    LOG.log("error", "x")
    LOG.log(15, "x")

    assert [line["level"] for line in console.lines()] == [
        *("debug", "info", "warning", "error", "critical", "error"),
        *("warning", "info", "critical", "warning", "error", "level 15"),
    ]


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(
    ("call", "event"),
    [
        (lambda: LOG.info("got %s of %d", "x", 3), "got x of 3"),
        (lambda: LOG.info("got %(a)s", {"a": 1}), "got 1"),
        (lambda: LOG.info("100% sure"), "100% sure"),
        (lambda: LOG.info("%s", ()), "()"),
        (lambda: LOG.info("%s", {}), "{}"),
        (lambda: LOG.info(42), "42"),
        (lambda: LOG.info(ValueError("bad")), "bad"),
        (lambda: LOG.info(event="named"), "named"),
        (LOG.info, ""),
    ],
)
def test_the_event_is_text(console: Console, call: Callable[[], None], event: str) -> None:
    call()

    assert console.line()["event"] == event


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize("text", ["got %s %s", "got %d", "got", "100%"])
def test_arguments_that_do_not_fit_are_shown_beside_the_event(console: Console, text: str) -> None:
    LOG.info(text, "x")

    line = console.line()
    assert (line["event"], line["args"]) == (text, ["x"])


@pytest.mark.usefixtures("svc")
def test_extra_is_merged_and_stacklevel_ignored(console: Console) -> None:
    LOG.info("got", extra={"a": 1, "b": 2}, stacklevel=3, b=4)

    line = console.line()
    assert (line["a"], line["b"]) == (1, 4)
    assert not line.keys() & {"extra", "stacklevel"}


@pytest.mark.usefixtures("svc")
def test_a_key_of_ours_is_not_overwritten(console: Console) -> None:
    LOG.info("got", level="high", service="other", timestamp=0, self=1)

    line = console.line()
    assert (line["level"], line["service"], line["self"]) == ("info", "svc", 1)
    assert (line["level_"], line["service_"], line["timestamp_"]) == ("high", "other", 0)


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(
    "log",
    [
        lambda fault: LOG.exception("failed"),
        lambda fault: LOG.info("failed", exc_info=True),
        lambda fault: LOG.info("failed", exc_info=fault),
        lambda fault: LOG.info("failed", exc_info=sys.exc_info()),
    ],
)
def test_an_exception_is_a_traceback_as_text(
    console: Console, log: Callable[[BaseException], None]
) -> None:
    try:
        raise ValueError("bad")
    except ValueError as fault:
        log(fault)

    line = console.line()
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: bad")
    assert "exc_info" not in line


@pytest.mark.usefixtures("svc")
def test_no_exception_is_no_key(console: Console) -> None:
    LOG.exception("failed")
    LOG.error("failed", exc_info=False)

    assert not any("exception" in line for line in console.lines())


@pytest.mark.usefixtures("svc")
def test_stack_info_shows_the_callers_frames(console: Console) -> None:
    LOG.info("here", stack_info=True)

    stack = console.line()["stack"]
    assert stack.startswith("Stack (most recent call last):\n")
    assert stack.endswith('LOG.info("here", stack_info=True)')


@pytest.mark.usefixtures("svc")
def test_a_bound_logger_has_its_keys_in_each_line(console: Console) -> None:
    bound = LOG.bind(a=1, b=2)
    bound.info("x", b=3)
    bound.unbind("a").info("x")
    bound.try_unbind("a", "nothing").info("x")
    bound.new(c=4).info("x")
    bound.info("x")
    LOG.info("x")

    keys = [{key: line[key] for key in "abc" if key in line} for line in console.lines()]
    assert keys == [{"a": 1, "b": 3}, {"b": 2}, {"b": 2}, {"c": 4}, {"a": 1, "b": 2}, {}]
    with pytest.raises(KeyError):
        bound.unbind("nothing")


@pytest.mark.usefixtures("svc")
def test_a_logger_is_one_of_structlog(console: Console) -> None:
    public = {name for name in dir(FilteringBoundLogger) if not name.startswith("_")}
    assert public <= set(dir(LOG))
    assert isinstance(LOG, structlog.BoundLoggerBase)
    assert isinstance(LOG, BindableLogger)
    assert structlog.get_context(LOG.bind(a=1)) == {"a": 1}

    with structlog.contextvars.bound_contextvars(b=2):
        asyncio.run(LOG.ainfo("x"))
    assert console.line()["b"] == 2


@pytest.mark.usefixtures("svc")
def test_a_name_and_initial_values_are_keys(console: Console) -> None:
    get_logger("my.module", a=1).info("x")

    line = console.line()
    assert (line["logger"], line["a"]) == ("my.module", 1)


@pytest.mark.usefixtures("svc")
def test_a_logger_can_be_pickled(console: Console) -> None:
    pickle.loads(pickle.dumps(LOG.bind(a=1))).info("x")

    assert console.line()["a"] == 1


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(("given", "shown"), [("w-1", "w-1"), (7, 7), (b"\xff", "b'\\xff'")])
def test_the_workflow_id_is_that_of_the_context(
    console: Console, given: object, shown: object
) -> None:
    token = WORKFLOW_ID.set(given)
    LOG.info("x")
    WORKFLOW_ID.reset(token)
    LOG.info("x")

    first, second = console.lines()
    assert first["workflow_id"] == shown
    assert list(first)[:5] == ["timestamp", "level", "event", "service", "workflow_id"]
    assert "workflow_id" not in second


class Endless:
    def __repr__(self) -> str:
        return repr(self)


class Plain:
    def __plain__(self) -> dict[str, object]:
        return {"a": Decimal(1)}


def cycle() -> object:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1.5"), "Decimal('1.5')"),
        (b"x", "b'x'"),
        ({1}, "{1}"),
        (float("nan"), "nan"),
        ([float("-inf")], ["-inf"]),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        ({b"k": {1: None}}, {"b'k'": {"1": None}}),
        (Plain(), {"a": "Decimal('1')"}),
        (Unshowable(), "<Unshowable: showing it raised ValueError>"),
        ([Unshowable()], ["<Unshowable: showing it raised ValueError>"]),
        (Endless(), "<Endless: showing it raised RecursionError>"),
        ("\udc80", "\udc80"),
        ("Größe 😀", "Größe 😀"),
        ("two\nlines", "two\nlines"),
    ],
)
def test_a_value_that_json_lacks_is_shown(console: Console, value: object, shown: object) -> None:
    LOG.info("x", value=value)

    assert console.line()["value"] == shown


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(
    "made",
    [lambda: nested(100_000), cycle, lambda: 10**6000],
    ids=["deep", "cycle", "digits"],
)
def test_a_value_beyond_all_limits_is_shown_as_far_as_it_goes(
    console: Console, made: Callable[[], object]
) -> None:
    LOG.info("x", value=made())

    line = console.line()
    assert line["event"] == "x"
    assert "value" in line


class Unreadable(UserDict[str, object]):
    def __getitem__(self, key: str) -> object:
        raise ValueError("no")


@pytest.mark.usefixtures("svc")
def test_a_line_that_cannot_be_made_is_replaced_by_a_bare_one(console: Console) -> None:
    LOG.warning("x", extra=Unreadable(a=1))

    line = console.line()
    assert (line["level"], line["event"], line["service"]) == ("warning", "x", "svc")
    assert line["log_error"] == "ValueError('no')"


@pytest.mark.usefixtures("svc")
def test_an_event_that_cannot_be_shown_is_replaced_by_a_note(console: Console) -> None:
    LOG.info(Unshowable())

    assert "ValueError" in console.line()["event"]


@pytest.mark.usefixtures("svc")
def test_a_stop_that_arrives_while_a_value_is_shown_is_not_swallowed() -> None:
    class Stopping:
        def __repr__(self) -> str:
            raise ServiceStopped("now")

    with pytest.raises(ServiceStopped):
        LOG.info("x", value=Stopping())


@pytest.mark.usefixtures("svc")
def test_a_mapping_that_another_thread_changes_is_logged(console: Console) -> None:
    book = {number: number for number in range(1000)}
    over = threading.Event()

    def change() -> None:
        number = 0
        while not over.is_set():
            number += 1
            book[1000 + number % 50] = number
            book.pop(1000 + (number + 25) % 50, None)

    changer = threading.Thread(target=change)
    changer.start()
    for _ in range(50):
        LOG.info("x", book=book)
    over.set()
    changer.join(DEADLINE_S)

    assert len(console.lines()) == 50
