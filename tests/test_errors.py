"""The errors of the package, as programs hand them on: to other processes, and as copies."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import RemoteError, SfActorsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def every_class(kind: type[SfActorsError] = SfActorsError) -> Iterator[type[SfActorsError]]:
    if kind.__module__ == SfActorsError.__module__:
        yield kind
    for inner in kind.__subclasses__():
        yield from every_class(inner)


def made(kind: type[SfActorsError]) -> SfActorsError:
    if issubclass(kind, RemoteError):
        return kind("ValueError", "too many", connection="svc.py: orders")
    return kind("svc.py: too many")


def unpickled(error: Any) -> Any:
    return pickle.loads(pickle.dumps(error))


@pytest.mark.parametrize("take", [unpickled, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", list(every_class()))
def test_an_error_that_is_copied_or_unpickled_is_the_same(
    kind: type[SfActorsError], take: Callable[[Any], Any]
) -> None:
    error = made(kind)
    error.workflow_id = "0x1"
    error.add_note("of the caller")
    taken = take(error)
    assert type(taken) is kind
    assert (str(taken), taken.args, vars(taken)) == (str(error), error.args, vars(error))
