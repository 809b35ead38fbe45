"""The keys of a fleet."""

from __future__ import annotations

import shlex
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from sf_actors import KeysError
from sf_actors.fleet.keyring import remove_keys, write_keys
from sf_actors.fleet.linking import link
from sf_actors.sockets.keys import load, new_pair
from tests.fleet.outlines import fleet, model, named, outline, service

if TYPE_CHECKING:
    from pathlib import Path

CALLS = [model("a", "x", "requester"), model("b", "x", "replyer")]


def written(folder: Path, *services: Any, models: list[Any]) -> list[str]:
    outlines = named(
        *(outline(one.name, *(x for x in models if x.service == one.name)) for one in services)
    )
    made = replace(fleet(*services), keys=folder)
    linked = link(made, outlines)
    return [str(path.relative_to(folder)) for path in write_keys(made, outlines, linked.links)]


def removed(folder: Path, *services: Any, models: list[Any]) -> list[str]:
    outlines = named(
        *(outline(one.name, *(x for x in models if x.service == one.name)) for one in services)
    )
    made = replace(fleet(*services), keys=folder)
    linked = link(made, outlines)
    return [str(path.relative_to(folder)) for path in remove_keys(made, outlines, linked.links)]


def test_each_service_gets_a_pair_and_what_its_links_need(tmp_path: Path) -> None:
    found = written(tmp_path, service("a"), service("b"), models=CALLS)

    assert sorted(found) == [
        "a/own.key",
        "a/own.key_secret",
        "a/servers/x.key",
        "b/authorized/a.key",
        "b/own.key",
        "b/own.key_secret",
    ]
    one, other = load(tmp_path / "a"), load(tmp_path / "b")
    assert one.server_key("connections/x") == other.own_public
    assert other.authorized() == {one.own_public}
    assert one.authorized() == frozenset()
    assert stat.S_IMODE((tmp_path / "a" / "own.key_secret").stat().st_mode) == 0o600


def test_a_second_time_nothing_is_missing(tmp_path: Path) -> None:
    written(tmp_path, service("a"), service("b"), models=CALLS)

    assert written(tmp_path, service("a"), service("b"), models=CALLS) == []


def test_a_pair_is_never_replaced_and_keys_of_outsiders_stay(tmp_path: Path) -> None:
    new_pair("own", tmp_path / "b")
    before = load(tmp_path / "b").own_public
    new_pair("guest", tmp_path / "b" / "authorized")
    written(tmp_path, service("a"), service("b"), models=CALLS)

    keys = load(tmp_path / "b")
    assert keys.own_public == before
    assert len(keys.authorized()) == 2


def test_keys_of_links_that_are_gone_are_removed_and_those_of_outsiders_are_not(
    tmp_path: Path,
) -> None:
    services = service("a"), service("b")
    written(tmp_path, *services, models=CALLS)
    new_pair("guest", tmp_path / "b" / "authorized")
    (tmp_path / "a/servers/default.key").write_bytes((tmp_path / "a/servers/x.key").read_bytes())
    (tmp_path / "b/authorized/z.key").write_bytes((tmp_path / "b/authorized/a.key").read_bytes())
    assert removed(tmp_path, *services, models=CALLS) == []

    # the service that has asked is gone from the file, but not its pair
    assert removed(tmp_path, service("b"), models=CALLS) == ["b/authorized/a.key"]
    written(tmp_path, *services, models=CALLS)
    gone = removed(tmp_path, *services, models=CALLS[1:])
    assert gone == ["a/servers/x.key", "b/authorized/a.key"]
    left = {path.name for path in (tmp_path / "b/authorized").iterdir()}
    assert left == {"guest.key", "guest.key_secret", "z.key"}
    assert (tmp_path / "a/own.key_secret").is_file()


def test_a_link_to_a_service_with_a_new_pair_is_mended(tmp_path: Path) -> None:
    written(tmp_path, service("a"), service("b"), models=CALLS)
    for name in ("own.key", "own.key_secret"):
        (tmp_path / "b" / name).unlink()

    assert written(tmp_path, service("a"), service("b"), models=CALLS) == [
        "b/own.key",
        "b/own.key_secret",
        "a/servers/x.key",
    ]


def test_a_name_that_a_connection_and_a_state_have_gets_a_file_each(tmp_path: Path) -> None:
    models = [
        *(model("a", "x", "subscriber"), model("a", "x", "full_update_in")),
        *(model("b", "x", "publisher"), model("c", "x", "full_update_out")),
    ]
    written(tmp_path, service("a"), service("b"), service("c"), models=models)

    keys = load(tmp_path / "a")
    assert keys.server_key("connections/x") == load(tmp_path / "b").own_public
    assert keys.server_key("states/x") == load(tmp_path / "c").own_public


def test_a_fleet_without_a_folder_for_keys_is_told_the_line(tmp_path: Path) -> None:
    made = fleet(service("a"))

    with pytest.raises(KeysError, match='write keys = "keys" into'):
        list(write_keys(made, named(outline("a")), ()))


def test_a_model_connects_to_two_services_where_these_have_one_pair(tmp_path: Path) -> None:
    models = [*CALLS, model("c", "x", "replyer")]
    services = (service("a", links={"x": ["b/x", "c/x"]}), service("b"), service("c"))
    with pytest.raises(KeysError, match="expected one pair of keys where 'x' connects to") as told:
        written(tmp_path, *services, models=models)
    command = str(told.value).partition("type: ")[2].partition(" && ")[0]
    assert command == f"cp -p {tmp_path}/b/own.key {tmp_path}/b/own.key_secret {tmp_path}/c"
    # all else is written
    assert len(load(tmp_path / "b").authorized()) == 1

    subprocess.run(shlex.split(command), check=True)
    written(tmp_path, *services, models=models)
    assert load(tmp_path / "a").server_key("connections/x") == load(tmp_path / "c").own_public
