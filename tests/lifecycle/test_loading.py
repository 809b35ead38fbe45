"""What keeps a service from being loaded at all."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from sf_actors import UsageError
from sf_actors.testing import module_of, running


@pytest.mark.parametrize("patched", ["threading", "socket"])
def test_a_run_under_the_monkey_patching_of_gevent_is_refused(
    patched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkey = ModuleType("gevent.monkey")
    monkey.is_module_patched = patched.__eq__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    with (
        pytest.raises(UsageError, match="gevent's monkey patching"),
        running(module_of(main=print)),
    ):
        pass


def test_gevent_by_itself_is_no_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkey = ModuleType("gevent.monkey")
    monkey.is_module_patched = lambda _name: False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gevent.monkey", monkey)
    with running(module_of(main=print)) as service:
        assert service.is_running
