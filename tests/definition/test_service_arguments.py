"""The arguments of `Service` that are of a wrong type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import ConfigError, Service, UsageError
from sf_actors.testing import module_of

if TYPE_CHECKING:
    from pathlib import Path

MODULE = module_of(init_function=lambda: None)


@pytest.mark.parametrize(
    ("argument", "value", "expected"),
    [
        ("addresses", [], "a dict, got list []"),
        ("name", 5, "a text, got int 5"),
        ("name", b"svc", "a text, got bytes b'svc'"),
        ("allow_inbound", "no", "True or False, got str 'no'"),
        ("log_path", 5, "a path, as text or os.PathLike, got int 5"),
        ("keys", [1], "a path, as text or os.PathLike, got list [1]"),
    ],
)
def test_an_argument_of_another_type_is_named(argument: str, value: Any, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        Service(MODULE, **{argument: value})
    assert str(caught.value) == f"Service: {argument}: expected {expected}"


@pytest.mark.parametrize("config", [0, [], "", False, 5])
def test_a_config_that_is_no_dict_is_refused_though_it_is_empty(config: Any) -> None:
    with pytest.raises(ConfigError, match="config: expected a dict, got"):
        Service(MODULE, config=config, console_loglevel=None).run_service()


def test_paths_may_be_objects_and_all_of_them_none(tmp_path: Path) -> None:
    service = Service(
        MODULE, addresses=None, config=None, name=None, keys=None, log_path=tmp_path / "svc.log"
    )
    with service:
        assert service.is_running
