"""What the shell says of a service that may be in a process that does not answer."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.cli.remote_services import RemoteServices
from sf_actors.cli.target import parse_target
from sf_actors.errors import RequestTimeout, TargetError
from tests.support.shell import echoing, looked_at
from tests.support.stand_in_inspector import stand_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def remote(folder: Path) -> Iterator[RemoteServices]:
    """Give what reaches a process with `desk`, and a silent one that began with `my_slow`."""
    with (
        looked_at(echoing("desk")),
        stand_in(folder, lambda _: None, name="my_slow"),
        RemoteServices(timeout_s=1.0) as found,
    ):
        yield found


def is_replyer(model: Any) -> bool:
    return bool(model.type == "replyer")


@pytest.mark.slow
def test_what_answers_is_not_held_up_by_what_does_not(remote: RemoteServices) -> None:
    began = monotonic()
    assert remote.service(parse_target("desk")).pid == os.getpid()
    assert str(remote.model(parse_target("desk/echo"), is_replyer, what="replyer")).endswith("echo")
    assert str(remote.model(parse_target("echo"), is_replyer, what="replyer")).endswith("echo")

    # each waits a moment for who else may be meant
    assert monotonic() - began < 3 * 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my_slow", "my slow", "my_slow#2"])
def test_the_silence_of_the_one_that_was_named_is_no_answer(
    remote: RemoteServices, name: str
) -> None:
    with pytest.raises(RequestTimeout, match=r"my_slow \(pid \d+\): no answer within 1 s"):
        remote.service(parse_target(name))


def test_of_another_one_it_is_said_who_is_silent(remote: RemoteServices) -> None:
    with pytest.raises(TargetError, match=r"got 'nosuch'; no answer came from my_slow"):
        remote.service(parse_target("nosuch"))


def test_a_model_that_is_there_but_of_no_use_is_told_as_there(remote: RemoteServices) -> None:
    with pytest.raises(TargetError, match="which is a replyer") as raised:
        remote.model(parse_target("desk/echo"), lambda _: False, what="subscriber")
    assert raised.value.is_there
