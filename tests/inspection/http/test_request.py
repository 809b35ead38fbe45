"""Requests as they are parsed."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sf_actors.inspection.http.request import Rejection, parse


def test_escapes_of_a_path_are_undone() -> None:
    request = parse(b"GET /a%20b?service=svc%232 HTTP/1.1", ())

    assert request.path == "/a b"
    assert request.query == {"service": ["svc#2"]}


def test_methods_are_told_after_hosts() -> None:
    with pytest.raises(Rejection) as raised:
        parse(b"POST / HTTP/1.1\r\nHost: evil.example", ())

    assert raised.value.status == 421


@pytest.mark.parametrize("line", ["OPTIONS *", "CONNECT localhost:80"])
def test_targets_of_other_methods_do_not_hide_that_these_are_refused(line: str) -> None:
    with pytest.raises(Rejection) as raised:
        parse(f"{line} HTTP/1.1\r\nHost: localhost".encode(), ())

    assert raised.value.status == 405


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_rejection(head: bytes) -> None:
    with contextlib.suppress(Rejection):
        parse(b"GET / HTTP/1.1\r\nHost: " + head, ())
    with contextlib.suppress(Rejection):
        parse(head, ())


def test_an_empty_host_is_another_than_ours() -> None:
    with pytest.raises(Rejection) as caught:
        parse(b"GET / HTTP/1.1\r\nHost: ", ())
    assert caught.value.status == 421
