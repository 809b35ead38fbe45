"""Names of fields in any language, between two processes that have never seen them before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

FIELDS = """
FIELDS = {'größe': int, 'цена': {'価格': int}}
VALUE = {'größe': 1, 'цена': {'価格': 2}}
ASKED = {'required_arguments': FIELDS, 'required_return_arguments': FIELDS}
"""
SHOP = """
def on_request(args): return args
def init_function(to_send): to_send('state', 'book', VALUE)
connection_models = {'in': {'shop': {
    'connection_type': 'replyer', 'required_creation_arguments': {'on_request': on_request}, **ASKED
}}}
state_models = {'out': {'book': {'state_type': 'delta_update', 'required_arguments': FIELDS}}}
"""
CLIENT = """
connection_models = {'out': {'shop': {'connection_type': 'requester', **ASKED}}}
state_models = {'in': {'book': {'state_type': 'delta_update', 'required_arguments': FIELDS}}}
allow_inbound = True
def main(to_send, states):
    assert to_send('connection', 'shop', VALUE) == VALUE
    assert states.wait('book', timeout_s=20)
    assert states['book'] == VALUE
"""


def test_requests_and_states_may_have_them(tmp_path: Path) -> None:
    at = {name: f"ipc://{tmp_path}/{name}" for name in ("shop", "news", "whole")}
    book = {"publisher": at["news"], "replyer": at["whole"]}
    copy = {"subscriber": at["news"], "requester": at["whole"]}
    addresses = {
        "connections": {"in": {"shop": at["shop"]}, "out": {"shop": at["shop"]}},
        "states": {"in": {"book": copy}, "out": {"book": book}},
    }
    (tmp_path / "a.json").write_text(json.dumps(addresses))
    for name, text in (("shop", SHOP), ("client", CLIENT)):
        (tmp_path / f"{name}.py").write_text(FIELDS + text, encoding="utf-8")
    with Process("-s", "shop.py", "-a", "a.json", cwd=tmp_path) as shop:
        shop.wait_until_ready()
        with Process("-s", "client.py", "-a", "a.json", "-m", cwd=tmp_path) as client:
            assert client.wait() == 0, client.err
