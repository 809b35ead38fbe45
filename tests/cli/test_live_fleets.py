"""`check --live` and `keys fleet`, by fleets that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors import RequestTimeout
from sf_actors.sockets.keys import new_pair
from sf_actors.testing import module_of
from tests.support.fleets import (
    ASKING,
    SILENT,
    assert_nothing_is_left,
    fleet_in,
    up,
    wait_until_ready,
)
from tests.support.services import requester, service_of
from tests.support.shell import ran_here
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

WITH_KEYS = """
[fleet]
keys = "keys"
[services.doubler]
file = "doubler.py"
instances = 2
[services.asker]
file = "asker.py"
main = true
ends_fleet = false
after = ["doubler"]
config = { count = 6 }
"""
#: Has no main, and so stays.
STAYING = ASKING.replace("def main(", "def unused(")
TWO = """
[services.doubler]
file = "doubler.py"
[services.asker]
file = "asker.py"
"""


def test_a_fleet_is_held_against_its_own_processes_not_anothers_of_the_same_names(
    tmp_path: Path,
) -> None:
    here = fleet_in(tmp_path / "here", TWO, doubler=SILENT, asker=STAYING)
    there = fleet_in(tmp_path / "there", TWO, doubler=SILENT, asker=STAYING)
    with up(there) as running:
        wait_until_ready(running, "doubler", "asker")
        assert ran_here("check", "--live", cwd=here).status == 3

        with up(here) as own:
            wait_until_ready(own, "doubler", "asker")
            # who runs there could follow, who runs here could not
            for name, text in (("doubler", SILENT), ("asker", STAYING)):
                (here / f"{name}.py").write_text(text.replace('"n": int', '"n": str'))
            assert ran_here("check", cwd=here).status == 0
            broken = ran_here("check", "--live", "--json", cwd=here)
            assert broken.status == 1
            assert {one["code"] for one in broken.objects} == {"E201"}
            whole = ran_here("check", "--live", cwd=there)
            assert (whole.status, whole.out) == (0, "")
    assert_nothing_is_left(here)
    assert_nothing_is_left(there)


def test_keys_of_a_fleet_admit_its_links_and_no_stranger(tmp_path: Path) -> None:
    fleet_in(tmp_path, WITH_KEYS, doubler=SILENT, asker=ASKING)
    before = ran_here("check", "--json", cwd=tmp_path)
    assert (before.status, {one["code"] for one in before.objects}) == (1, {"E501"})

    assert ran_here("keys", "fleet", cwd=tmp_path).status == 0
    after = ran_here("check", "--strict", cwd=tmp_path)
    assert (after.status, after.out) == (0, "")
    with up(tmp_path) as running:
        wait_until_ready(running, "doubler#1", "doubler#2")
        running.wait_for_line(lambda line: "doubled 5 10" in line)
        address = ran_here("info", "doubler#1", "--json", cwd=tmp_path).objects[0]["addresses"]
        for keys in (None, keys_of_a_stranger(tmp_path)):
            assert is_refused(address["connections"]["in"]["double"]["replyer"], keys)
        # the keys of one of the fleet are not refused
        asker = tmp_path / "keys" / "asker"
        assert not is_refused(address["connections"]["in"]["double"]["replyer"], asker, PATIENCE_S)
    assert_nothing_is_left(tmp_path)


def keys_of_a_stranger(folder: Path) -> Path:
    """Return keys that know the server, which does not know them."""
    keys = folder / "stranger"
    list(new_pair("own", keys))
    (keys / "servers").mkdir(mode=0o700)
    known = (folder / "keys" / "asker" / "servers" / "double.key").read_bytes()
    (keys / "servers" / "double.key").write_bytes(known)
    return keys


def is_refused(address: str, keys: Path | None, within_s: float = 1.0) -> bool:
    """Return whether who asks the doubler gets no answer in so many seconds."""
    asking = requester(timeout_s=within_s)
    models = {"out": {"double": {**asking, "required_return_arguments": None}}}
    addresses = {"connections": {"out": {"double": {"requester": address}}}}
    module = module_of(connection_models=models)
    with service_of(module, addresses=addresses, keys=keys) as service:
        try:
            service.to_send("double", {"n": 1})
        except RequestTimeout:
            return True
    return False
