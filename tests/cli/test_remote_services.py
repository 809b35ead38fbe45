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
    from contextlib import AbstractContextManager
    from pathlib import Path


def silent(folder: Path) -> AbstractContextManager[object]:
    return stand_in(folder, lambda _: None, name="my_slow")


@pytest.fixture
def remote(folder: Path) -> Iterator[RemoteServices]:
    """Give what reaches a process with `desk`, and a silent one that began with `my_slow`."""
    with (
        looked_at(echoing("desk")),
        silent(folder),
        RemoteServices(timeout_s=1.0) as found,
    ):
        yield found


def is_replyer(model: Any) -> bool:
    return bool(model.type == "replyer")


@pytest.mark.slow
def test_what_answers_is_not_held_up_by_what_does_not(folder: Path) -> None:
    with looked_at(echoing("desk")), silent(folder), RemoteServices(timeout_s=10.0) as remote:
        began = monotonic()
        assert remote.service(parse_target("desk")).pid == os.getpid()
        for target in ("desk/echo", "echo"):
            found = remote.model(parse_target(target), is_replyer, what="replyer")
            assert str(found).endswith("echo")
        took_s = monotonic() - began

    # each waits a moment for who else may be meant
    assert took_s < 9.0


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
