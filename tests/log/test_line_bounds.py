"""What is cut in a line: ids and texts that came from outside, and nothing of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors.log import WORKFLOW_ID, get_logger, package_logger
from sf_actors.log.tracebacks import LONGEST_TRACEBACK
from sf_actors.wording import LONGEST_TEXT
from tests.log.lines import Console, nested

if TYPE_CHECKING:
    from collections.abc import Callable

LOG = get_logger()


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(
    "made",
    [
        lambda: "x" * 1_000_000,
        lambda: b"x" * 1_000_000,
        lambda: ["x"] * 1_000_000,
        lambda: {"x" * 1_000_000: 1},
        lambda: {"a": {"b": ["x" * 1_000_000]}},
        lambda: nested(100_000),
        lambda: 10**6000,
    ],
    ids=["text", "bytes", "list", "key", "inside", "deep", "digits"],
)
def test_a_large_workflow_id_is_shown_by_its_beginning(
    console: Console, made: Callable[[], object]
) -> None:
    token = WORKFLOW_ID.set(made())
    LOG.info("x", mine="y" * 5000)
    WORKFLOW_ID.reset(token)

    line = console.line()
    assert isinstance(line["workflow_id"], str)
    assert len(line["workflow_id"]) <= LONGEST_TEXT
    assert line["mine"] == "y" * 5000


@pytest.mark.usefixtures("svc")
def test_a_small_workflow_id_keeps_its_parts(console: Console) -> None:
    token = WORKFLOW_ID.set({"a": [1, None, True, 2.5, ("x",)]})
    LOG.info("x")
    WORKFLOW_ID.reset(token)

    assert console.line()["workflow_id"] == {"a": [1, None, True, 2.5, ["x"]]}


class Packed:
    """An id that is kept as something else than what it says."""

    def __init__(self, plain: object) -> None:
        self._plain = plain

    def __plain__(self) -> object:
        return self._plain


@pytest.mark.usefixtures("svc")
@pytest.mark.parametrize(("plain", "shown"), [([1, "two"], [1, "two"]), ({b"x"}, "{b'x'}")])
def test_a_workflow_id_that_has_a_plain_form_is_shown_by_it(
    console: Console, plain: object, shown: object
) -> None:
    token = WORKFLOW_ID.set(Packed(plain))
    LOG.info("x")
    WORKFLOW_ID.reset(token)

    assert console.line()["workflow_id"] == shown


def failed() -> ValueError:
    try:
        raise ValueError("x" * 100_000)
    except ValueError as fault:
        return fault


@pytest.mark.usefixtures("svc")
def test_texts_in_a_line_of_the_package_are_cut(console: Console) -> None:
    package_logger().error("failed", error="x" * 100_000, count=3, exc_info=failed())

    line = console.line()
    assert len(line["error"]) <= LONGEST_TEXT
    assert line["error"].endswith("characters left out)")
    assert len(line["exception"]) <= LONGEST_TRACEBACK
    assert line["exception"].endswith("characters left out)")
    assert (line["event"], line["count"]) == ("failed", 3)


@pytest.mark.usefixtures("svc")
def test_texts_in_a_line_of_the_user_are_kept(console: Console) -> None:
    LOG.error("failed", error="x" * 100_000, exc_info=failed())

    line = console.line()
    assert line["error"] == "x" * 100_000
    assert line["exception"].endswith("ValueError: " + "x" * 100_000)
