"""Out-states that outlive a restart of their service."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors import Service, StoreError
from sf_actors.replication.status import Phase
from sf_actors.testing import module_of, running
from tests.support.processes import Process
from tests.support.state_pair import following, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FREE = {
    "delta_update": {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"},
    "full_update": {"publisher": "127.0.0.1:0"},
}
BOOK = {"prices": {Decimal: int}}


def keeping(kind: str, path: Path, init: Callable[..., None] | None = None, **creation: Any) -> Any:
    declared = creation.pop("declared", BOOK)
    functions = {} if init is None else {"init_function": init}
    return module_of(
        "keeps",
        state_models={"out": {"book": model(f"{kind}_out", declared, store=str(path), **creation)}},
        **functions,
    )


def run(module: Any, kind: str) -> Any:
    return running(module, addresses={"states": {"out": {"book": FREE[kind]}}})


@pytest.mark.parametrize("kind", FREE)
def test_a_value_is_there_again_before_init_function_and_numbers_go_on(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "book.db"
    seen: list[Any] = []
    with run(keeping(kind, path), kind) as service:
        service.to_send("book", {"prices": {Decimal("1.5"): 3}})
        assert service.to_send("book", {"prices": {Decimal(2): 4}}) == 1
        before = dict(service.states["book"])
        epoch = service.states.status("book").epoch

    def init(states: Any) -> None:
        seen.append((dict(states["book"]), states.status("book").number))

    with (
        run(keeping(kind, path, init), kind) as service,
        following(
            model(f"{kind}_in", BOOK), towards(service.addresses["states"]["out"]["book"])
        ) as follower,
    ):
        assert seen == [(before, 1)]
        until(lambda: follower.status.phase is Phase.LIVE and follower.value == before)
        assert follower.status.number == 1
        assert follower.status.epoch > epoch
        assert service.to_send("book", {"prices": {Decimal(3): 5}}) == 2
        until(lambda: follower.status.number == 2)


def test_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with run(keeping("delta_update", path), "delta_update") as service:
        service.to_send("book", {"prices": {Decimal(1): 3, Decimal(2): 4}})
        service.to_send("book", {"prices": {Decimal(1): None}})
    with run(keeping("delta_update", path), "delta_update") as service:
        assert service.states["book"] == {"prices": {Decimal(2): 4}}


def test_numbers_of_the_caller_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    numbered = {"required_state_arguments": {"current_num": int, "is_snapshot": bool}}

    def module() -> Any:
        made = keeping("delta_update", path)
        made.state_models["out"]["book"] |= numbered
        return made

    with run(module(), "delta_update") as service:
        service.to_send("book", {"prices": {Decimal(1): 3}, "current_num": 41, "is_snapshot": True})
    with run(module(), "delta_update") as service:
        assert service.states.status("book").number == 41
        late = {"prices": {Decimal(1): 9}, "current_num": 41, "is_snapshot": False}
        assert service.to_send("book", late) is None
        assert service.to_send("book", late | {"current_num": 42}) == 42


def test_a_file_of_another_model_keeps_the_service_from_ready_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    path = tmp_path / "book.db"
    with run(keeping("delta_update", path), "delta_update") as service:
        service.to_send("book", {"prices": {Decimal("1.5"): 3}})
    before = path.read_bytes()
    with (
        pytest.raises(StoreError, match=r"book\.db"),
        run(keeping("delta_update", path, declared={"prices": {str: [int]}}), "delta_update"),
    ):
        pass
    assert path.read_bytes() == before


def test_two_services_never_have_one_file(tmp_path: Path) -> None:
    path = tmp_path / "book.db"
    with (
        run(keeping("delta_update", path), "delta_update"),
        pytest.raises(StoreError, match=r"book\.db"),
        run(keeping("delta_update", path), "delta_update"),
    ):
        pass


def test_a_path_may_hold_the_name_and_the_process(tmp_path: Path) -> None:
    path = tmp_path / "{name}-{pid}.db"
    service = Service(
        service_module=keeping("full_update", path),
        addresses={"states": {"out": {"book": FREE["full_update"]}}},
        name="desk",
        console_loglevel=None,
    )
    with service:
        service.to_send("book", {"prices": {}})
    assert (tmp_path / f"desk-{os.getpid()}.db").exists()


SERVICE_FILE = """
state_models = {{"out": {{"book": {{
    "state_type": "delta_update_out",
    "optional_creation_arguments": {{"store": {path!r}}},
    "required_arguments": {{"n": int}},
}}}}}}

def init_function(states):
    print("kept", dict(states["book"]), flush=True)

def main(to_send):
    n = 0
    while True:
        to_send("book", {{"n": n}})
        n += 1
"""


@pytest.mark.slow
def test_a_killed_service_has_what_it_said_it_had_written(tmp_path: Path) -> None:
    (tmp_path / "svc.py").write_text(SERVICE_FILE.format(path=str(tmp_path / "n.db")))
    (tmp_path / "a.json").write_text(
        '{"states": {"out": {"book": {"publisher": "127.0.0.1:0", "replyer": "127.0.0.1:0"}}}}'
    )
    flags = ("-s", "svc.py", "-a", "a.json", "-m")
    with Process(*flags, cwd=tmp_path) as process:
        process.wait_until_ready()
        until(lambda: (tmp_path / "n.db-wal").stat().st_size > 100_000)
        process.popen.kill()
        process.popen.wait(PATIENCE_S)
    with Process(*flags, cwd=tmp_path) as process:
        process.wait_until_ready()
        if not any(line.startswith("kept") for line in process.out):
            process.wait_for_line("kept")
        (line,) = [line for line in process.out if line.startswith("kept")]
        assert "'n'" in line
