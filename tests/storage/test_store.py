"""What a state was told is there again after it was opened anew."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sf_actors.schema.schema import Schema
from sf_actors.storage import compaction, pending, recorder, writer
from sf_actors.storage.store import Store
from tests.storage.keeping import PATIENCE_S, Keeper, kept_in
from tests.support.effort import effort

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = {str: float}
BOOK = {"title": str, "bids": LEVELS}

#: By how much less is stored than otherwise, and updated.
SMALLER = effort(1, brief=8)

#: Of a value that is far larger than what a file has beside it.
KEYS = 150_000 // SMALLER

OPTIONAL = {"note": str, "nested": {"a": int, "b": {str: int}}, "list": [int]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "below" / "book.db"


@pytest.mark.slow
def test_a_new_file_holds_the_value_before_the_first_update(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        assert keeper.kept[1:] == (-1, 0, None)
        assert keeper.value == {}
    with Keeper(path, {"state": dict}) as keeper:
        assert keeper.kept.number == -1
        assert keeper.value == {"state": {}}


def test_the_value_its_number_and_the_epoch_come_back(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        keeper.send(title="a", bids={"x": 1.0, "y": 2.0})
        keeper.send(bids={"x": None, "z": 3.0})
        epoch = keeper.epoch

    with Keeper(path, BOOK) as keeper:
        assert keeper.value == {"title": "a", "bids": {"y": 2.0, "z": 3.0}}
        assert keeper.kept[1:] == (1, 2, epoch)
        assert keeper.send(title="b") == 2

    assert kept_in(path, BOOK) == ({"title": "b", "bids": {"y": 2.0, "z": 3.0}}, 2)


@pytest.mark.slow
def test_a_run_without_an_update_leaves_its_epoch(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        epoch = keeper.epoch

    with Keeper(path, BOOK) as keeper:
        assert keeper.kept[1:] == (-1, 0, epoch)


def test_a_whole_value_replaces_what_was_kept(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        keeper.send(title="a", bids={"x": 1.0})
        keeper.send(title="b", bids={"y": 1.0}, is_snapshot=True)
        keeper.send(bids={"z": 1.0})

    assert kept_in(path, BOOK) == ({"title": "b", "bids": {"y": 1.0, "z": 1.0}}, 2)


@pytest.mark.slow
@pytest.mark.parametrize("is_patch", [False, True])
@pytest.mark.parametrize(
    ("model", "wrapped"),
    [
        ({"title": str, "bids": {Decimal: Decimal}}, False),
        ({"title": str, "bids": dict}, False),
        ({"state": {"title": str, "bids": {Decimal: Decimal}}}, True),
        ({"state": dict}, True),
    ],
)
def test_a_value_of_many_keys_is_kept_in_pieces(
    path: Path, model: dict[str, Any], wrapped: bool, is_patch: bool
) -> None:
    keys = (
        [Decimal(n) for n in range(30_000)]
        if "Decimal" in str(model)
        else [str(n) for n in range(30_000)]
    )
    fields: dict[str, Any] = {"title": "large", "bids": {key: key for key in keys}}
    change: dict[str, Any] = {"bids": {keys[0]: None, keys[1]: keys[2]}}
    if wrapped:
        fields, change = {"state": fields}, {"state": change}
    with Keeper(path, model) as keeper:
        keeper.send(**fields, **({} if is_patch else {"is_snapshot": True}))
        keeper.send(**change)
        value = keeper.value
        assert keeper.store.flush(PATIENCE_S)

    assert kept_in(path, model) == (value, 1)


@pytest.mark.slow
def test_a_full_state_keeps_its_last_value(path: Path) -> None:
    schema = Schema({"rows": [int]}, {}, where="full")
    lock = threading.Lock()
    from sf_actors.log import package_logger

    store, _ = Store.open(path, schema, where="full")
    last: dict[str, Any] = {}
    store.begin(
        1, lock, lambda: (99, last), log=package_logger(), on_failed=lambda: pytest.fail("failed")
    )
    for number in range(100):
        last = {"rows": list(range(number * 1000))}
        with lock:
            store.append(number, True, last)
    assert store.close(PATIENCE_S)

    assert kept_in(path, {"rows": [int]}) == (last, 99)


def test_what_does_not_fit_into_memory_is_replaced_by_the_whole_value(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "ROW_BYTES", 100)
    monkeypatch.setattr(pending, "MOST_BYTES", 1000)
    with Keeper(path, BOOK) as keeper:
        for n in range(10_000):
            keeper.send(title=str(n), bids={str(n % 100): float(n)})
        assert not keeper.failures
        value = keeper.value
        assert keeper.store.flush(PATIENCE_S)

    assert kept_in(path, BOOK) == (value, 9_999)


@pytest.mark.slow
def test_large_values_that_follow_each_other_end_with_the_last(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        for n in range(20):
            bids = {f"{n} {key}": float(key) for key in range(20_000 // SMALLER)}
            keeper.send(title=str(n), bids=bids, is_snapshot=True)
            keeper.send(bids={"one": float(n)})
        value = keeper.value

    assert kept_in(path, BOOK) == (value, 39)


def size_of(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.iterdir())


@pytest.mark.slow
def test_after_100_000_updates_the_file_has_three_times_the_value_at_most(path: Path) -> None:
    count = 100_000 // SMALLER
    bids = {f"level {n}": n / 2 for n in range(KEYS)}
    largest = 0
    with Keeper(path, BOOK) as keeper:
        keeper.send(title="large", bids=bids, is_snapshot=True)
        packed = len(
            keeper.fields.checked({"title": "", "bids": bids, "is_snapshot": True}).content
        )
        for n in range(count):
            keeper.send(bids={f"level {n * 7 % KEYS}": n / 4, f"level {n % 1000}": n / 3})
            if n % (count // 10) == 0:
                keeper.store.flush(PATIENCE_S)
                largest = max(largest, size_of(path))
        keeper.store.flush(PATIENCE_S)
        largest = max(largest, size_of(path))
        value = keeper.value

    assert largest <= 3 * packed + 3 * 2**20
    assert kept_in(path, BOOK) == (value, count)


@pytest.mark.slow
def test_a_small_value_that_changes_often_has_a_small_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "SMALL_BYTES", 64 * 1024)
    with Keeper(path, BOOK) as keeper:
        for n in range(100_000):
            keeper.send(title=str(n), bids={str(n % 10): n / 2})
            if n % 2_000 == 0:
                keeper.store.flush(PATIENCE_S)

    # the updates have more than 2 MB
    assert size_of(path) <= 10 * compaction.SMALL_BYTES


@pytest.mark.slow
def test_a_value_that_becomes_small_has_a_small_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "LOOK_S", 0.05)
    monkeypatch.setattr(compaction, "SMALL_BYTES", compaction.SMALL_BYTES // SMALLER)
    with Keeper(path, BOOK, {"asks": LEVELS}) as keeper:
        asks = {f"level {n}": n / 2 for n in range(300_000 // SMALLER)}
        keeper.send(title="a", bids={}, asks=asks, is_snapshot=True)
        assert keeper.store.flush(PATIENCE_S)
        assert size_of(path) > 4 * compaction.SMALL_BYTES
        keeper.send(asks=None)
        has_shrunk = threading.Event()
        for _ in range(1_500):
            if size_of(path) <= 4 * compaction.SMALL_BYTES:
                break
            has_shrunk.wait(0.02)

    assert size_of(path) <= 4 * compaction.SMALL_BYTES
    assert kept_in(path, BOOK, {"asks": LEVELS}) == ({"title": "a", "bids": {}}, 1)


def test_no_thread_is_there_before_the_run_begins_and_after_it(path: Path) -> None:
    before = threading.active_count()
    store, _ = Store.open(path, Schema(BOOK, {}, where="s"), where="s")
    assert threading.active_count() == before
    assert store.close(0.0)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_writes_nothing_and_holds_nothing(path: Path) -> None:
    with Keeper(path, BOOK) as keeper:
        keeper.send(title="ours")
        ours, theirs = os.pipe()
        runs, running = os.pipe()
        child = os.fork()
        if not child:
            # it lives on while the parent closes and others open the file
            keeper.lock = threading.Lock()  # the copied one may be held
            os.write(running, b"!")
            for n in range(1000):
                keeper.send(title=f"theirs {n}")
            keeper.store.flush(0.0)
            done = keeper.store.close(1.0)
            os.close(theirs)
            os.read(ours, 1)
            os._exit(0 if done else 1)
        assert os.read(runs, 1) == b"!"
        keeper.send(bids={"x": 1.0})
    with Keeper(path, BOOK) as keeper:
        assert keeper.value == {"title": "ours", "bids": {"x": 1.0}}
        keeper.send(title="ours again")
    os.close(theirs)
    assert os.waitpid(child, 0)[1] == 0
    for one in (ours, runs, running):
        os.close(one)

    assert kept_in(path, BOOK) == ({"title": "ours again", "bids": {"x": 1.0}}, 2)


names = st.sampled_from(["a", "b", "c", "d", "e"])
numbers = st.integers(-(2**31), 2**31)
nested = st.fixed_dictionaries({"a": numbers, "b": st.dictionaries(names, numbers)})
wholes = st.fixed_dictionaries(
    {"title": names, "bids": st.dictionaries(names, st.floats(allow_nan=False))},
    optional={"note": names, "nested": nested, "list": st.lists(numbers)},
)
patches = st.fixed_dictionaries(
    {},
    optional={
        "title": names,
        "bids": st.dictionaries(names, st.none() | st.floats(allow_nan=False)),
        "note": st.none() | names,
        "nested": st.none() | nested,
        "list": st.none() | st.lists(numbers),
    },
)
updates = st.lists(
    st.tuples(st.just(True), wholes) | st.tuples(st.just(False), patches), max_size=10
)


@settings(
    max_examples=effort(60, brief=20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(runs=st.lists(st.tuples(updates, st.booleans(), st.booleans()), min_size=1, max_size=4))
@pytest.mark.slow
def test_after_any_updates_the_same_value_comes_back(
    path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[Any]
) -> None:
    path.unlink(missing_ok=True)
    value: dict[str, Any] = {}
    for steps, is_compacted, leaves_out in runs:
        monkeypatch.setattr(compaction, "SMALL_BYTES", 1 if is_compacted else 2**20)
        monkeypatch.setattr(pending, "ROW_BYTES", 30 if leaves_out else 1000)
        monkeypatch.setattr(pending, "MOST_BYTES", 60 if leaves_out else 10_000)
        monkeypatch.setattr(writer, "BATCH_S", 0.0)
        with Keeper(path, BOOK, OPTIONAL) as keeper:
            assert keeper.value == value
            for is_whole, fields in steps:
                keeper.send(**fields, **({"is_snapshot": True} if is_whole else {}))
                if is_compacted:
                    assert keeper.store.flush(PATIENCE_S)
            value = keeper.value
            count = keeper.store.count
    assert kept_in(path, BOOK, OPTIONAL) == (value, count - 1)
