"""The folder of the inspectors' sockets: whose it is, and what is left over in it."""

from __future__ import annotations

import os
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import sf_actors
from sf_actors.errors import UsageError
from sf_actors.inspection.folder import folder as place
from sf_actors.inspection.folder import (
    inspector_sockets,
    listening,
    make,
    new_path,
    remove_if_stale,
)
from tests.inspection.asking import asker_of, sockets_in
from tests.support.services import ECHO_ADDRESSES, ask, replying
from tests.support.services import echo_service as running_echo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sf_actors import Service


@pytest.fixture
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment ask for an inspector."""
    monkeypatch.setenv("SF_ACTORS_INSPECT", "1")


@pytest.fixture
def service() -> Iterator[Service]:
    """Give a service that tells its log lines, not run yet."""
    made = sf_actors.Service(replying(), addresses=ECHO_ADDRESSES, name="svc")
    yield made
    made.stop_service()


def refusal() -> str:
    """Return why there can be no inspector."""
    with pytest.raises(UsageError) as caught:
        sf_actors.inspect()
    return str(caught.value)


def test_a_folder_is_made_for_its_owner_alone(folder: Path) -> None:
    inspection = sf_actors.inspect()
    assert folder.stat().st_mode & 0o777 == 0o700
    inspection.close()


@pytest.mark.parametrize("umask", [0, 0o277, 0o777])
def test_whatever_the_umask_takes_away_its_owner_may_use_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        make(tmp_path / "it")
    finally:
        os.umask(before)
    assert (tmp_path / "it").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_enter_is_refused_with_what_to_do(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    assert f"chmod 700 {folder}" in refusal()
    folder.chmod(0o700)
    sf_actors.inspect().close()


def test_the_chmod_of_a_folder_with_a_space_can_be_typed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = folder.parent / "of mine"
    spaced.mkdir()
    spaced.chmod(0o755)
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(spaced))
    command = shlex.split(refusal().rpartition(": ")[2])
    assert command == ["chmod", "700", str(spaced)]


def test_a_link_and_a_file_are_no_folder(folder: Path) -> None:
    (folder.parent / "real").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "real")
    assert "expected a folder" in refusal()
    folder.unlink()
    folder.write_text("")
    assert "expected a folder" in refusal()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder of another's")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)
    assert "belongs to user 12345" in refusal()


def test_a_folder_that_cannot_be_made_or_is_too_long_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(folder / "below" / "what-is-not-there"))
    assert "cannot be made" in refusal()
    long = folder.parent / ("x" * 90)
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", str(long))
    assert "too long" in refusal()


def test_the_folder_is_in_tmp_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SF_ACTORS_RUNTIME_DIR")
    assert place() == Path(f"/tmp/sf_actors-{os.getuid()}")
    monkeypatch.setenv("SF_ACTORS_RUNTIME_DIR", "")
    assert place() == Path(f"/tmp/sf_actors-{os.getuid()}")


def test_a_service_runs_on_with_one_warning_where_its_folder_is_refused(
    folder: Path, wanted: None, service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    service.run_service()
    address = service.addresses["connections"]["in"]["echo"]["replyer"]
    assert ask(address)["return_args"] == {"n": 1}
    service.stop_service()
    warnings = [line for line in capfd.readouterr().err.splitlines() if '"warning"' in line]
    assert len(warnings) == 1
    assert f"chmod 700 {folder}" in warnings[0]
    assert sockets_in(folder) == []


def test_a_name_is_made_fit_for_a_file(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    path = new_path(folder, "a b/ü" + "x" * 50)
    pid, _, rest = path.name.partition("-")
    assert int(pid) == os.getpid()
    assert rest.partition("-")[2] == f"a_b__{'x' * 27}.sock"


def test_what_a_dead_process_left_is_removed_and_what_listens_is_not(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    path = folder / "12345-abcd-svc.sock"
    listener = listening(path)
    assert [(one.pid, one.name) for one in inspector_sockets(folder)] == [(12345, "svc")]
    old = path.stat().st_mtime - 10
    os.utime(path, (old, old))
    # one that accepts and is silent is there
    assert not remove_if_stale(path)
    listener.close()
    assert remove_if_stale(path)
    assert not path.exists()
    assert remove_if_stale(path)


def test_with_a_dead_process_the_sockets_of_its_streams_are_removed(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    paths = [folder / name for name in ("77-ab-x.sock", "77-cd-x.tap", "777-ef-y.tap")]
    for path in paths:
        listening(path).close()
        old = path.stat().st_mtime - 10
        os.utime(path, (old, old))
    assert remove_if_stale(paths[0])
    assert [path.exists() for path in paths] == [False, False, True]


def test_a_socket_that_comes_into_being_is_not_taken_for_stale(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    path = folder / "12345-abcd-svc.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        assert not remove_if_stale(path)
        assert path.exists()


def test_the_environment_asks_for_an_inspector_from_the_first_run_to_the_end_of_the_last(
    folder: Path, wanted: None
) -> None:
    with running_echo() as first, running_echo() as second:
        (path,) = sockets_in(folder)
        with asker_of(f"ipc://{path}") as asker:
            assert len(asker.ask("ping")["services"]) == 2
            first.stop_service()
            assert len(asker.ask("ping")["services"]) == 1
        second.stop_service()
        assert sockets_in(folder) == []
        second.run_service()
        assert len(sockets_in(folder)) == 1
    assert sockets_in(folder) == []


def test_a_start_that_fails_leaves_no_inspector(folder: Path, wanted: None) -> None:
    service = sf_actors.Service(replying(), addresses={}, console_loglevel=None)
    with pytest.raises(sf_actors.AddressError):
        service.run_service()
    assert folder.exists()
    assert sockets_in(folder) == []


def test_the_environment_turns_it_off(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SF_ACTORS_INSPECT", "0")
    inspection = sf_actors.inspect()
    assert inspection.address is None
    inspection.close()
    with running_echo():
        assert not folder.exists()


def test_an_inspector_is_one_however_often_it_is_asked_for(folder: Path) -> None:
    one, two = sf_actors.inspect(), sf_actors.inspect()
    assert one.address == two.address
    one.close()
    two.close()
    assert sockets_in(folder) == []


def test_another_value_in_the_environment_is_told_and_ignored(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    service: Service,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SF_ACTORS_INSPECT", "yes")
    service.run_service()
    assert not folder.exists()
    service.stop_service()
    warnings = [line for line in capfd.readouterr().err.splitlines() if '"warning"' in line]
    assert len(warnings) == 1
    assert "expected 1 or 0, got str 'yes'" in warnings[0]
