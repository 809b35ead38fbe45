"""The ZeroMQ context: shared while anybody uses it, gone afterwards."""

from __future__ import annotations

import pytest
import zmq

from sf_actors.actors import context
from sf_actors.actors.context import MAX_SOCKETS, ContextLease


@pytest.fixture(autouse=True)
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_shared", context._Shared())


def test_leases_share_one_context_which_ends_with_the_last() -> None:
    first, second = ContextLease(), ContextLease()

    assert first.context is second.context
    first.give_back()
    assert not second.context.closed
    second.give_back()
    assert second.context.closed


def test_a_context_that_ended_is_followed_by_a_new_one() -> None:
    first = ContextLease()
    first.give_back()
    second = ContextLease()

    assert not second.context.closed
    second.give_back()


def test_a_private_lease_has_a_context_of_its_own() -> None:
    shared, private = ContextLease(), ContextLease(private=True)

    assert private.context is not shared.context
    private.give_back()
    assert private.context.closed
    assert not shared.context.closed
    shared.give_back()


def test_to_give_back_twice_counts_once() -> None:
    first, second = ContextLease(), ContextLease()
    first.give_back()
    first.give_back()

    assert not second.context.closed
    second.give_back()


def test_a_context_holds_more_sockets_than_the_default() -> None:
    lease = ContextLease()

    assert lease.context.get(zmq.MAX_SOCKETS) == MAX_SOCKETS > 1_023
    lease.give_back()
