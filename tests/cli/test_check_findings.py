"""`check`: each finding by a fleet that has it, beside one that nearly has it.

The models of one fleet are named by what is to be found of them, so that one look shows all.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.fleets import fleet_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell

pytestmark = pytest.mark.slow

#: What the service files have in common, written beside them.
SHORT = """
from typing import Annotated, Literal
import msgspec
def model(type, arguments=(), replies=(), optional=(), **creation):
    kind = 'state_type' if type.endswith('update') else 'connection_type'
    found = {kind: type, 'required_arguments': dict(arguments),
             'optional_arguments': dict(optional), 'optional_creation_arguments': creation}
    if replies:
        found['required_return_arguments'] = dict(replies)
    return found
def on(args): return {}
def replyer(*given, on=on, **creation): return model('replyer', *given, on=on, **creation)
def requester(*given, **creation): return model('requester', *given, **creation)
def publisher(*given, **creation): return model('publisher', *given, **creation)
def subscriber(*given, **creation): return model('subscriber', *given, on=on, **creation)
BELOW_TEN = Annotated[int, msgspec.Meta(lt=10)]
"""
ONE = """
from short import *
connection_models = {'out': {
    'E101_ordres': requester(), 'right_orders': requester(),
    'E102_two': requester(), 'right_linked': requester(),
    'E103_port': publisher(), 'right_port': publisher(),
    'E104_all_hosts': requester(), 'right_host': requester(),
    'E105_unknown': requester(), 'right_named': requester(),
    'E201_float': publisher({'a': float}), 'right_float': publisher({'a': int}),
    'E201_optional': publisher((), (), {'a': int}), 'right_optional': publisher({'a': int}),
    'E201_more': publisher({'a': int, 'b': int}), 'right_more': publisher({'a': int, 'b': int}),
    'E201_reply': requester((), {'a': int}), 'right_reply': requester((), {'a': float}),
    'W201_object': publisher({'a': object}), 'right_object': publisher({'a': int}),
    'W201_bounds': publisher({'a': int}), 'right_bounds': publisher({'a': BELOW_TEN}),
    'E202_topic': publisher(topic='a'), 'right_topic': publisher(topic='b'),
    'W301_alone': publisher(), 'right_alone': publisher(),
    'W303_hasty': requester(timeout_s=5.9), 'right_hasty': requester(timeout_s=6.0),
    'W304_again': requester(retries=1), 'right_again': requester(retries=1),
    'right_once': requester(),
}}
state_models = {'out': {
    'W305_slow': model('delta_update', heartbeat_s=1.5),
    'right_slow': model('delta_update', heartbeat_s=1.5),
    'E202_kind': model('full_update'), 'right_kind': model('full_update'),
    'E201_state': model('delta_update', {'a': {str: float}}),
    'right_state': model('delta_update', {'a': {str: int}}),
}}
"""
OTHER = """
from short import *
def asking(args, to_send): to_send('deep', {})
connection_models = {'in': {
    'E101_orders': replyer(), 'right_orders': replyer(),
    'E102_two': replyer(), 'right_linked': replyer(),
    'E104_all_hosts': replyer(), 'right_host': replyer(),
    'named': replyer(),
    'E103_port': subscriber(), 'right_port': subscriber(),
    'E201_float': subscriber({'a': int}), 'right_float': subscriber({'a': float}),
    'E201_optional': subscriber({'a': int}), 'right_optional': subscriber((), (), {'a': int}),
    'E201_more': subscriber({'a': int}, unknown_fields='refuse'),
    'right_more': subscriber({'a': int}),
    'E201_reply': replyer((), {'a': float}), 'right_reply': replyer((), {'a': int}),
    'W201_object': subscriber({'a': int}), 'right_object': subscriber({'a': object}),
    'W201_bounds': subscriber({'a': BELOW_TEN}), 'right_bounds': subscriber({'a': BELOW_TEN}),
    'E202_topic': subscriber(topic='b'), 'right_topic': subscriber(topic='b'),
    'W303_hasty': replyer(on=asking), 'right_hasty': replyer(on=asking),
    'W304_again': replyer(), 'right_again': replyer(deduplicate=True), 'right_once': replyer(),
}, 'out': {'deep': requester(timeout_s=2.0, retries=2)}}
state_models = {'in': {
    'W305_slow': model('delta_update', stale_after_s=2.9),
    'right_slow': model('delta_update', stale_after_s=3.0),
    'E202_kind': model('delta_update'), 'right_kind': model('full_update'),
    'E201_state': model('delta_update', {'a': {str: int}}),
    'right_state': model('delta_update', {'a': {str: float}}),
}}
"""
THIRD = """
from short import *
connection_models = {'in': {'E102_two': replyer(), 'right_linked': replyer(),
                            'deep': replyer(deduplicate=True)},
                     'out': {'E103_second': publisher(), 'right_second': publisher()}}
"""
#: A service of a ring: it asks the next one by a function of the file.
RING = """
from short import *
def answer(args, to_send): return passed_on(to_send)
def passed_on(send): return send('connection', '{next}', {{}})
connection_models = {{'in': {{'{own}': replyer(on=answer{workers})}},
                     'out': {{'{next}': requester()}}}}
"""
FLEET = """
[check]
ignore = ["W301 one/E202_topic", "W301 one/E202_kind", "W301 nobody/nothing"]
[services.one]
file = "one.py"
connect = { E104_all_hosts = "*:27001", right_host = "127.0.0.1:27001" }
[services.one.links]
right_linked = "other/right_linked"
E105_unknown = "othre/named"
right_named = "other/named"
[services.one.bind]
E103_port = "127.0.0.1:27002"
right_port = "127.0.0.1:27003"
right_alone = "0.0.0.0:27004"
[services.other]
file = "other.py"
after = ["thrid"]
[services.third]
file = "third.py"
after = ["one"]
bind = { E103_second = "0.0.0.0:27002", right_second = "127.0.0.2:27003" }
[services.first]
file = "first.py"
[services.second]
file = "second.py"
[services.last]
file = "last.py"
[services.calm]
file = "calm.py"
[services.busy]
file = "busy.py"
[services.several]
file = "state.py"
instances = 2
[services.single]
file = "state.py"
instances = 1
"""
STATE = "state_models = {'out': {'far': {'state_type': 'full_update'}}}\n"


def test_each_finding_is_told_of_what_has_it_and_not_of_what_nearly_has_it(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings = {
        own: RING.format(own=f"ring_{own}", next=f"ring_{after}", workers="")
        for own, after in (("first", "second"), ("second", "last"), ("last", "first"))
    }
    for own, after in (("calm", "busy"), ("busy", "calm")):
        rings[own] = RING.format(own=f"ring_{own}", next=f"ring_{after}", workers=", workers=2")
    fleet_in(tmp_path, FLEET, short=SHORT, one=ONE, other=OTHER, third=THIRD, state=STATE, **rings)
    monkeypatch.chdir(tmp_path)
    ran = shell("check", "--json")

    found = sorted(f"{one['code']} {one['service']}/{one['model']}" for one in ran.objects)
    assert found == [
        "E101 one/E101_ordres",
        "E102 one/E102_two",
        "E103 third/E103_second",
        "E104 one/E104_all_hosts",
        "E105 one/E105_unknown",
        "E105 other/",
        "E105 several/far",
        "E201 one/E201_reply",
        "E201 other/E201_float",
        "E201 other/E201_more",
        "E201 other/E201_optional",
        "E201 other/E201_state",
        "E202 other/E202_kind",
        "E202 other/E202_topic",
        "E302 first/ring_first",
        "W001 /",
        "W201 other/W201_bounds",
        "W201 other/W201_object",
        "W301 one/W301_alone",
        "W301 several/far",
        "W301 single/far",
        "W303 one/W303_hasty",
        "W304 one/W304_again",
        "W305 other/W305_slow",
    ]
    told = {one["code"]: one for one in ran.objects}
    assert "did you mean 'E101_orders'?" in told["E101"]["message"]
    assert 'write links = { E102_two = "other/E102_two" }' in told["E102"]["message"]
    assert told["E101"]["at"].startswith("one.py:")
    assert told["E101"]["other_at"].startswith("other.py:")
    assert (told["E103"]["at"], told["E103"]["other_at"]) == ("fleet.toml:21", "fleet.toml:12")
    assert ran.status == 1


def test_a_port_that_is_taken_here_now_is_told_where_it_is_asked_for(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        toml = f'[services.a]\nfile = "a.py"\nbind = {{ news = "127.0.0.1:{port}" }}\n'
        fleet_in(tmp_path, toml, short=SHORT, a="from short import *\n" + NEWS)
        monkeypatch.chdir(tmp_path)
        assert shell("check", "--strict").status == 0
        (finding,) = shell("check", "--ports", "--json").objects
    assert (finding["code"], finding["at"]) == ("E103", "fleet.toml:3")

    assert shell("check", "--ports", "--strict").status == 0


NEWS = "connection_models = {'out': {'news': publisher()}}\n"
