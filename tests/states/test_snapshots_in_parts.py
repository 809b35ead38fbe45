"""Snapshots that are larger than a message."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import zmq

from sf_actors.replication.status import Phase
from sf_actors.states import snapshots_out
from tests.support.bare_peers import asked
from tests.support.effort import effort
from tests.support.state_pair import following, kill, leading, model, towards
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

OUT, IN = "delta_update_out", "delta_update_in"
LIMIT = 100_000
NOTES = {"notes": {str: str}, "prices": {Decimal: Decimal}}

#: Replicas that join at once.
JOINING = effort(10, brief=3)

#: about 5 MB, or 2
NOTED, PRICED = effort(4_000, brief=1_600), effort(50_000, brief=20_000)
LARGE: dict[str, Any] = {
    "notes": {f"note {n}": f"{n}" * 20 + "x" * 900 for n in range(NOTED)},
    "prices": {Decimal(n): Decimal(n) / 4 for n in range(PRICED)},
}


def tell(leader: Any, whole: dict[str, Any] = LARGE) -> None:
    """Build up a value by updates that each fit a message."""
    items = [(name, key, item) for name, table in whole.items() for key, item in table.items()]
    for begin in range(0, len(items), 60):
        update: dict[str, Any] = {}
        for name, key, item in items[begin : begin + 60]:
            update.setdefault(name, {})[key] = item
        leader.send(**update)


def parts_of(leader: Any, limit: int) -> list[Any]:
    """Return the unpacked messages of an answer to a plain peer with a limit, checked for size."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    try:
        dealer.connect(f"tcp://{leader.addresses['replyer']}")
        request = {"args": {}, "workflow_id": 1, "max_message_bytes": limit}
        dealer.send_multipart([b"", msgpack.packb(request)])
        parts: list[Any] = []
        while not parts or len(parts) < parts[0].get("parts", 1):
            assert dealer.poll(PATIENCE_S * 1000), parts[-1:]
            _, frame = dealer.recv_multipart()
            assert len(frame) <= limit
            parts.append(msgpack.unpackb(frame, strict_map_key=False))
        assert not dealer.poll(100)
        return parts
    finally:
        dealer.close(0)
        context.term()


def joined(parts: list[Any]) -> dict[str, Any]:
    """Merge the pieces of all parts."""

    def join(into: dict[Any, Any], piece: dict[Any, Any]) -> None:
        for key, item in piece.items():
            if isinstance(item, dict) and isinstance(into.get(key), dict):
                join(into[key], item)
            else:
                assert key not in into
                into[key] = item

    whole: dict[str, Any] = {}
    for part in parts[1:]:
        for piece in part["pieces"]:
            join(whole, msgpack.unpackb(piece, strict_map_key=False))
    return whole


def test_many_replicas_join_a_value_of_many_messages_while_updates_go_on() -> None:
    is_enough = threading.Event()
    sent = 0
    with ExitStack() as running:
        leader = running.enter_context(leading(model(OUT, NOTES, max_message_bytes=LIMIT)))
        tell(leader)

        def publish() -> None:
            nonlocal sent
            while not is_enough.wait(0.002):
                leader.send(notes={f"note {sent % NOTED}": f"again {sent}"})
                sent += 1

        publishing = threading.Thread(target=publish)
        publishing.start()
        running.callback(is_enough.set)
        to = towards(leader.addresses)
        joining = model(IN, NOTES, max_message_bytes=LIMIT)
        followers = [
            running.enter_context(following(joining, to, has_handler=False)) for _ in range(JOINING)
        ]
        for follower in followers:
            follower.wait_for_phase(Phase.LIVE)
        is_enough.set()
        publishing.join(PATIENCE_S)
        assert sent > 0
        value = leader.service.states["book"]
        number = leader.actor.publication.number
        for follower in followers:
            until(lambda follower=follower: follower.status.number == number)
            assert follower.value == value
            assert follower.status.error is None
        assert "too_large" not in leader.stats["dropped"]


@pytest.mark.parametrize("address", ["127.0.0.1:0", "inproc"])
def test_a_replica_with_a_lower_limit_gets_what_it_can_take(address: str) -> None:
    addresses: Any = address
    if address == "inproc":
        addresses = {"publisher": "inproc://parts-p", "replyer": "inproc://parts-r"}
    with leading(model(OUT, NOTES), addresses=addresses) as leader:
        tell(leader)
        to = towards(leader.addresses if address != "inproc" else addresses)
        with following(model(IN, NOTES, max_message_bytes=20_000), to) as follower:
            args, value = follower.next_update()
            assert value == LARGE
            assert args == LARGE
            status = follower.wait_for_phase(Phase.LIVE)
            assert (status.gaps, status.resyncs, status.error) == (0, 0, None)
            leader.send(notes={"note 1": "last"})
            until(lambda: follower.value["notes"]["note 1"] == "last")


@pytest.mark.parametrize(
    "declared",
    [
        {"table": {str: {str: str}}, "name": str},
        {"table": dict, "name": str},
        {"state": {"table": {str: {str: str}}, "name": str}},
        {"state": {str: object}},
        {"state": dict},
    ],
)
def test_a_value_of_any_shape_is_divided(declared: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "table": {f"{n}": {f"{m}": "x" * 100 for m in range(50)} for n in range(60)},
        "name": "n",
    }
    fields = {"state": whole} if "state" in declared else whole
    with leading(model(OUT, declared)) as leader:
        leader.send(**fields, is_snapshot=True)
        for limit in (2_000, 5_000, 100_000, 200_000):
            parts = parts_of(leader, limit)
            assert joined(parts) == whole
            assert len(parts) > 3
            assert [(part["part"], part["parts"]) for part in parts] == [
                (place, len(parts)) for place in range(len(parts))
            ]
            assert parts[0]["fields"] == list(declared)
            assert all(part["return_args"] == {"state": {}, "current_num": 0} for part in parts)
        limited = model(IN, declared, max_message_bytes=2_000)
        with following(limited, towards(leader.addresses)) as follower:
            assert follower.next_update().value == whole
            assert follower.wait_for_phase(Phase.LIVE).number == 0


def test_a_record_is_never_divided() -> None:
    declared = {"legs": {str: {"note": str, "more": str}}}
    legs = {f"{n}": {"note": "x" * 200, "more": "y" * 200} for n in range(100)}
    with leading(model(OUT, declared)) as leader:
        leader.send(legs=legs)
        parts = parts_of(leader, 3_000)
        assert joined(parts) == {"legs": legs}
        limited = model(IN, declared, max_message_bytes=3_000)
        with following(limited, towards(leader.addresses)) as follower:
            assert follower.next_update().value == {"legs": legs}


@pytest.mark.parametrize("size", [2_000, 3_900])
def test_an_item_may_be_as_large_as_a_message(size: int) -> None:
    declared = {"a": {str: str}, "legs": {str: {"note": str}}}
    whole = {"a": dict.fromkeys("abc", "x" * size), "legs": {"one": {"note": "y" * size}}}
    with leading(model(OUT, declared)) as leader:
        leader.send(**whole)
        # it is divided into messages of 2,048 bytes, the power of two below
        limited = model(IN, declared, max_message_bytes=4_095)
        with following(limited, towards(leader.addresses)) as follower:
            assert follower.next_update().value == whole


@pytest.mark.parametrize(
    ("declared", "item"),
    [
        ({"a": {str: str}}, "x" * 5_000),
        ({"a": {str: {"note": str, "more": str}}}, {"note": "x" * 2_500, "more": "x" * 2_500}),
        ({"a": dict}, [1] * 5_000),
    ],
)
def test_an_item_that_is_too_large_is_an_error_in_the_status(
    declared: dict[str, Any], item: Any
) -> None:
    with leading(model(OUT, declared)) as leader:
        leader.send(a={"small": item} | {f"{n}": item for n in range(5)})
        limited = model(IN, declared, max_message_bytes=4_096)
        with following(limited, towards(leader.addresses)) as follower:
            until(lambda: follower.status.error is not None)
            assert "max_message_bytes" in str(follower.status.error)
            assert follower.status.phase is Phase.SYNCING
            assert leader.stats["dropped"]["too_large"] >= 1
            # a second one, of the same version
            until(lambda: leader.stats["dropped"]["too_large"] >= 2)
            leader.send(a=dict.fromkeys(["small", *map(str, range(5))]))
            follower.wait_for_phase(Phase.LIVE)
            assert follower.value == {"a": {}}


@pytest.mark.parametrize("limit", [None, 0, -5, "100", [], b"x" * 300, True, 1_023])
def test_a_limit_that_is_none_divides_nothing(limit: Any) -> None:
    with leading(model(OUT, {"a": {str: str}}, max_message_bytes=50_000)) as leader:
        for n in range(10):
            leader.send(a={f"{n}": "x" * 4_000})
        request = {"args": {}, "workflow_id": "w", "max_message_bytes": limit}
        whole = asked(leader.addresses["replyer"], request)
        if limit == 1_023:
            assert whole["error"]["type"] == "MessageTooLarge"
        else:
            assert len(whole["return_args"]["state"]["a"]) == 10
            assert "part" not in whole
            for n in range(10, 20):
                leader.send(a={f"{n}": "x" * 4_000})
            assert asked(leader.addresses["replyer"], request)["error"]["type"] == "MessageTooLarge"


def test_a_limit_above_the_publishers_own_changes_nothing() -> None:
    with leading(model(OUT, {"a": {str: str}}, max_message_bytes=50_000)) as leader:
        for n in range(20):
            leader.send(a={f"{n}": "x" * 4_000})
        parts = parts_of(leader, 2**64 - 1)
        assert max(len(piece) for part in parts[1:] for piece in part["pieces"]) < 50_000
        assert len(joined(parts)["a"]) == 20


def test_a_large_id_is_answered_by_an_error() -> None:
    with leading(model(OUT, {"a": {str: str}})) as leader:
        leader.send(a={f"{n}": "x" * 4_000 for n in range(10)})
        request = {"args": {}, "workflow_id": "w" * 500, "max_message_bytes": 2_000}
        assert asked(leader.addresses["replyer"], request)["error"]["type"] == "MessageTooLarge"


def test_who_asks_again_while_it_gets_parts_gets_them_once() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    with leading(model(OUT, {"a": {str: str}})) as leader:
        leader.send(a={f"{n}": "x" * 20_000 for n in range(1_000)})
        dealer.rcvhwm, dealer.rcvbuf = 1, 4_096
        dealer.connect(f"tcp://{leader.addresses['replyer']}")

        def ask(token: int) -> None:
            request = {"args": {}, "workflow_id": token, "max_message_bytes": LIMIT}
            dealer.send_multipart([b"", msgpack.packb(request)])

        ask(1)
        until(lambda: len(leader.actor._transfers) == 1)
        for token in range(2, 20):
            ask(token)
        until(lambda: leader.stats["received"] == 19)
        tokens: list[int] = []
        while dealer.poll(1_000):
            part = msgpack.unpackb(dealer.recv_multipart()[1])
            tokens.append(part["workflow_id"])
        assert set(tokens) == {1}
        assert len(tokens) == part["parts"]
    dealer.close(0)
    context.term()


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(snapshots_out, "VERSIONS", 2)
    monkeypatch.setattr(snapshots_out, "LEAST_AGE_S", 0.1)
    return 2


def test_peers_that_do_not_read_hold_few_versions_and_keep_nobody_waiting(versions: int) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    idle: list[zmq.Socket[bytes]] = []
    whole = {f"{n}": "x" * 20_000 for n in range(1_000)}
    with leading(model(OUT, {"a": {str: str}})) as leader:
        leader.send(a=whole)
        for turn in range(6):
            dealer = context.socket(zmq.DEALER)
            dealer.rcvhwm, dealer.rcvbuf = 1, 4_096
            dealer.connect(f"tcp://{leader.addresses['replyer']}")
            request = {"args": {}, "workflow_id": 1, "max_message_bytes": LIMIT}
            dealer.send_multipart([b"", msgpack.packb(request)])
            idle.append(dealer)
            until(lambda turn=turn: leader.stats["received"] == turn + 1)
            leader.send(a={"0": f"{turn}"})
        transfers = leader.actor._transfers
        limited = model(IN, {"a": {str: str}}, max_message_bytes=LIMIT)
        with following(limited, towards(leader.addresses)) as follower:
            follower.wait_for_phase(Phase.LIVE)
            assert follower.value == {"a": {**whole, "0": "5"}}
        # several may be sent the same version
        assert len({id(transfer.packed) for transfer in transfers._all()}) <= versions
        assert leader.stats["dropped"]["queue_full"] >= 1
    for dealer in idle:
        dealer.close(0)
    context.term()


def test_a_peer_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots_out, "GIVEN_UP_AFTER_S", 0.3)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.rcvhwm, dealer.rcvbuf = 1, 4_096
    with leading(model(OUT, {"a": {str: str}})) as leader:
        leader.send(a={f"{n}": "x" * 20_000 for n in range(1_000)})
        dealer.connect(f"tcp://{leader.addresses['replyer']}")
        request = {"args": {}, "workflow_id": 1, "max_message_bytes": LIMIT}
        dealer.send_multipart([b"", msgpack.packb(request)])
        until(lambda: leader.stats["dropped"] == {"queue_full": 1})
        assert len(leader.actor._transfers) == 0
        # a peer that goes away meanwhile ends its own as well
        monkeypatch.setattr(snapshots_out, "GIVEN_UP_AFTER_S", 60.0)
        gone = context.socket(zmq.DEALER)
        gone.rcvhwm, gone.rcvbuf, gone.linger = 1, 4_096, 0
        gone.connect(f"tcp://{leader.addresses['replyer']}")
        gone.send_multipart([b"", msgpack.packb(request)])
        until(lambda: len(leader.actor._transfers) == 1)
        gone.close()
        until(lambda: leader.stats["dropped"].get("peer_gone") == 1)
        assert len(leader.actor._transfers) == 0
    dealer.close(0)
    context.term()


def test_a_publisher_that_dies_between_two_parts_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    next_part = snapshots_out.Transfer.next_part
    killed = threading.Event()

    def dying(transfer: Any, **telling: Any) -> bytes:
        if transfer.sent == 5 and not killed.is_set():
            killed.set()
            raise RuntimeError("killed by the test")
        return next_part(transfer, **telling)

    monkeypatch.setattr(snapshots_out.Transfer, "next_part", dying)
    with leading(model(OUT, NOTES, max_message_bytes=LIMIT)) as leader:
        tell(leader)
        before = leader.actor.publication.log.epoch
        with following(
            model(IN, NOTES, max_message_bytes=LIMIT), towards(leader.addresses)
        ) as follower:
            status = follower.wait_for_phase(Phase.LIVE)
            assert killed.is_set()
            assert status.epoch != before
            assert follower.value == LARGE


def test_a_part_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    next_part = snapshots_out.Transfer.next_part
    lost = threading.Event()

    def losing(transfer: Any, **telling: Any) -> bytes:
        if transfer.sent == 5 and not lost.is_set():
            lost.set()
            transfer.sent += 1
        return next_part(transfer, **telling)

    monkeypatch.setattr(snapshots_out.Transfer, "next_part", losing)
    with leading(model(OUT, NOTES, max_message_bytes=LIMIT)) as leader:
        tell(leader)
        with following(
            model(IN, NOTES, max_message_bytes=LIMIT), towards(leader.addresses)
        ) as follower:
            follower.wait_for_phase(Phase.LIVE)
            assert lost.is_set()
            assert follower.value == LARGE
            assert follower.stats["dropped"]["undecodable"] == 1


def test_an_actor_that_dies_takes_its_transfers_with_it() -> None:
    with leading(model(OUT, NOTES, max_message_bytes=LIMIT)) as leader:
        tell(leader)
        kill(leader.actor)
        until(lambda: leader.stats["restarts"] == 1)
        assert joined(parts_of(leader, LIMIT)).keys() == LARGE.keys()
