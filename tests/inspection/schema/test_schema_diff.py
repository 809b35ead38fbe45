"""`schema --diff`: what breaks a peer that has an older schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sf_actors import UsageError
from sf_actors.cli.verbs import schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Takes the older and the newer text of a service, and returns the lines of the difference.
    Differ = Callable[[str, str], list[str]]

REPLYER = """
def on(args): return {{}}
connection_models = {{'in': {{'orders': {{'connection_type': 'replyer',
    'required_creation_arguments': {{'on': on}},
    'optional_creation_arguments': {{{creation}}},
    'required_arguments': {{{required}}}, 'optional_arguments': {{{optional}}},
    'required_return_arguments': {{{returned}}},
    'optional_return_arguments': {{{maybe}}}}}}}}}
"""
PUBLISHER = """
connection_models = {{'out': {{'news': {{'connection_type': '{type}',
    'optional_creation_arguments': {{{creation}}},
    'required_arguments': {{{required}}}}}}}}}
"""
STATE = """
state_models = {{'{side}': {{'book': {{'state_type': '{type}',
    'required_arguments': {{'a': {a}}}}}}}}}
"""


def replyer(
    required: str = "'a': int",
    optional: str = "",
    returned: str = "'r': int",
    maybe: str = "",
    creation: str = "",
) -> str:
    return REPLYER.format(
        required=required, optional=optional, returned=returned, maybe=maybe, creation=creation
    )


def publisher(required: str = "'a': int", creation: str = "", type_: str = "publisher") -> str:
    return PUBLISHER.format(required=required, creation=creation, type=type_)


def state(side: str, a: str, type_: str = "delta_update") -> str:
    return STATE.format(side=side, a=a, type=type_)


@pytest.fixture
def diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Differ:
    file, old = tmp_path / "svc.py", tmp_path / "old.json"

    def lines(before: str, now: str) -> list[str]:
        file.write_text(before)
        assert schema.run([str(file)]) == 0
        old.write_text(capsys.readouterr().out)
        file.write_text(now)
        status = schema.run([str(file), "--diff", str(old)])
        found = capsys.readouterr().out.splitlines()
        assert status == (1 if found else 0)
        return found

    return lines


@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        (replyer(), publisher(), "svc/orders: the replyer is gone"),
        (publisher(), publisher(type_="requester"), "was a publisher, is a requester now"),
        (publisher(), publisher(creation="'topic': 'x'"), "its topic was None, is 'x' now"),
        (replyer(), replyer("'a': int, 'b': int"), "b, which comes in: now a required field"),
        (replyer("", "'a': int"), replyer(), "a, which comes in: now a required field"),
        (replyer("'a': float"), replyer(), "a, which comes in: now int, an older peer sends float"),
        (replyer("'a': object"), replyer(), "now int, an older peer sends anything"),
        (
            replyer("'a': {'b': [str]}"),
            replyer("'a': {'b': [int]}"),
            "a.b[], which comes in: now int, an older peer sends str",
        ),
        (
            replyer(optional="'b': int", creation="'unknown_fields': 'refuse'"),
            replyer(creation="'unknown_fields': 'refuse'"),
            "b, which comes in: now no such field",
        ),
        (replyer(), replyer(returned=""), "r, which goes out: an older peer wants a required"),
        (replyer(), replyer(returned="", maybe="'r': int"), "an older peer wants a required field"),
        (replyer(), replyer(returned="'r': float"), "an older peer wants int, now float"),
        (publisher(), publisher("'a': str"), "a, which goes out: an older peer wants int, now str"),
        (state("out", "{str: int}"), state("out", "{str: float}"), "a{}, which goes out"),
        (state("in", "{str: float}"), state("in", "{str: int}"), "a{}, which comes in"),
        (
            state("out", "int"),
            state("out", "int", "full_update"),
            "was a delta_update_out, is a full_update_out now",
        ),
    ],
)
def test_what_breaks_a_peer_is_a_line(diff: Differ, before: str, now: str, line: str) -> None:
    found = diff(before, now)

    assert len(found) == 1
    assert line in found[0]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (replyer(), replyer()),
        (replyer(), replyer(optional="'b': int")),
        (replyer(), replyer("", "'a': int")),
        (replyer(), replyer("'a': float")),
        (replyer(), replyer(returned="'r': int, 's': str")),
        (replyer(returned="'r': float"), replyer()),
        (replyer(maybe="'s': int"), replyer(returned="'r': int, 's': int")),
        (replyer(maybe="'s': int"), replyer()),
        (replyer(), replyer() + state("out", "int")),
        (state("out", "{str: float}"), state("out", "{str: int}")),
        (
            publisher(creation="'unknown_fields': 'refuse'"),
            publisher("'a': int, 'b': int", creation="'unknown_fields': 'refuse'"),
        ),
        (state("in", "{str: int}"), state("in", "{str: float}")),
    ],
)
def test_what_breaks_nobody_is_no_line(diff: Differ, before: str, now: str) -> None:
    assert diff(before, now) == []


def test_several_breaks_are_a_line_each(diff: Differ) -> None:
    assert len(diff(replyer(), replyer("'a': str, 'b': int", returned=""))) == 3


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"asyncapi": "2.6.0"}',
        '{"asyncapi": "3.0.0"}',
        '{"asyncapi": "3.0.0", "channels": {"a": {"address": "x"}}}',
        "[]",
    ],
)
def test_an_older_schema_that_is_none_of_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "svc.py").write_text(replyer())
    (tmp_path / "old.json").write_text(text)

    with pytest.raises(UsageError, match=r"old\.json"):
        schema.run([str(tmp_path / "svc.py"), "--diff", str(tmp_path / "old.json")])
