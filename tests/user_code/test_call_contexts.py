"""The contexts of user code: what stays of the service file, and what is gone with a call."""

from __future__ import annotations

import decimal
from contextvars import Context, ContextVar, copy_context
from decimal import Decimal, getcontext

from sf_actors.log import WORKFLOW_ID
from sf_actors.user_code.call_contexts import CallContexts

COLOUR: ContextVar[str | None] = ContextVar("colour", default=None)


def contexts_of_nobody() -> CallContexts:
    """Return those of a caller who has bound nothing."""
    return Context().run(CallContexts)


def set_precision(digits: int) -> None:
    getcontext().prec = digits


def precision() -> int:
    return getcontext().prec


def names(context: Context) -> set[str]:
    return {variable.name for variable in context}


def test_what_is_bound_before_the_seal_is_there_in_every_call() -> None:
    contexts = contexts_of_nobody()
    contexts.new().run(COLOUR.set, "red")
    contexts.new().run(COLOUR.set, "blue")

    contexts.seal()

    assert [contexts.new().run(COLOUR.get) for _ in range(2)] == ["blue", "blue"]


def test_what_a_call_binds_is_gone_with_it() -> None:
    contexts = contexts_of_nobody()
    contexts.seal()

    contexts.new().run(COLOUR.set, "red")

    assert contexts.new().run(COLOUR.get) is None


def test_what_the_caller_has_bound_is_there_but_for_his_workflow_id() -> None:
    here = copy_context()
    here.run(COLOUR.set, "green")
    here.run(WORKFLOW_ID.set, "w")

    contexts = here.run(CallContexts)

    assert contexts.new().run(COLOUR.get) == "green"
    assert contexts.new().run(WORKFLOW_ID.get) is None


def test_what_the_file_binds_is_not_bound_for_the_caller() -> None:
    here = Context()
    here.run(set_precision, 20)
    contexts = here.run(CallContexts)

    contexts.new().run(COLOUR.set, "red")
    contexts.new().run(set_precision, 7)

    assert here.run(COLOUR.get) is None
    assert here.run(precision) == 20


def test_decimals_precision_of_the_file_is_that_of_every_call() -> None:
    contexts = contexts_of_nobody()
    contexts.new().run(set_precision, 7)

    contexts.seal()

    assert [contexts.new().run(precision) for _ in range(2)] == [7, 7]


def test_decimals_precision_of_a_call_is_gone_with_it() -> None:
    for of_file in (28, 7):
        contexts = contexts_of_nobody()
        contexts.new().run(set_precision, of_file)
        contexts.seal()

        contexts.new().run(set_precision, 5)

        assert contexts.new().run(precision) == of_file


def test_calls_at_the_same_time_do_not_see_each_others_precision() -> None:
    contexts = contexts_of_nobody()
    contexts.new().run(set_precision, 7)
    contexts.seal()
    one, other = contexts.new(), contexts.new()

    one.run(set_precision, 5)

    assert other.run(precision) == 7


def test_a_call_begins_without_the_signals_of_the_files_calculations() -> None:
    contexts = contexts_of_nobody()
    contexts.new().run(set_precision, 7)
    contexts.new().run(lambda: Decimal(1) / 3)

    contexts.seal()

    assert not contexts.new().run(lambda: getcontext().flags[decimal.Inexact])


def test_a_file_that_only_calculates_makes_no_call_pay_for_it() -> None:
    contexts = contexts_of_nobody()
    contexts.new().run(COLOUR.set, "red")
    contexts.new().run(lambda: Decimal(1) / 3)

    contexts.seal()

    assert names(contexts.new()) == {"colour", "sf_actors_workflow_id"}
