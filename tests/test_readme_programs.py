"""The README's services within programs: web frameworks, notebooks, many callers at once."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from sf_actors.testing import module_of, running
from tests.support import web_stand_ins
from tests.test_readme import folder, greet, running_snippet, snippets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

__all__ = ["folder", "greet"]


def snippet_with_port(name: str, port: str) -> Any:
    """Return the compiled snippet, with a port in place of the one that it shows."""
    return compile(snippets()[name].replace("27001", port), name, "exec")


def test_the_pages_of_fastapi_ask_the_service(
    greet: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", web_stand_ins.fastapi())
    names: dict[str, Any] = {}
    exec(snippet_with_port("web.py", greet), names)

    async def served() -> None:
        async with names["app"].serving():
            asked = asyncio.to_thread(names["app"].routes["/greet/{name}"], "Ada")
            assert await asked == {"text": "Hello Ada!"}
            both = await names["app"].routes["/greet-both/{one}/{other}"]("Ada", "Bob")
            assert both == [{"text": "Hello Ada!"}, {"text": "Hello Bob!"}]

    asyncio.run(served())
    assert not names["asker"].is_running


def test_the_pages_of_flask_ask_the_service(
    greet: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flask", web_stand_ins.flask())
    names: dict[str, Any] = {"__name__": "pages"}
    exec(snippet_with_port("pages.py", greet), names)
    try:
        with ThreadPoolExecutor() as server:
            pages = server.map(names["app"].routes["/greet/<name>"], ["Ada", "Bob"])
            assert list(pages) == [{"text": "Hello Ada!"}, {"text": "Hello Bob!"}]
    finally:
        names["asker"].stop_service()


def test_a_cell_of_a_notebook_may_be_run_again_and_runs_the_file_as_it_is_then(
    folder: Path, new_address: Callable[[], str]
) -> None:
    port = new_address().rpartition(":")[2]
    cell = snippet_with_port("cell.py", port)
    names: dict[str, Any] = {}
    try:
        exec(cell, names)
        first = names["greet"]
        file = folder / "greet.py"
        file.write_text(file.read_text().replace("Hello", "Good day"))
        exec(cell, names)
        assert (first.is_running, names["greet"].is_running) == (False, True)
        asked = {"connections": {"out": {"greet": f"127.0.0.1:{port}"}}}
        with running_snippet("ask.py", addresses=asked) as asking:
            assert asking.to_send("greet", {"name": "Ada"}) == {"text": "Good day Ada!"}
    finally:
        names["greet"].stop_service()


def test_the_jobs_of_several_customers_are_done_at_once(folder: Path) -> None:
    jobs = {"connections": {"in": {"jobs": "inproc://jobs"}, "out": {"jobs": "inproc://jobs"}}}
    model = {
        "connection_type": "requester",
        "required_arguments": {"customer": str, "job": int},
        "required_return_arguments": {"done": str},
    }
    asker = module_of(connection_models={"out": {"jobs": model}})
    with (
        running_snippet("jobs.py", addresses=jobs) as served,
        running(asker, addresses=jobs, console_loglevel="WARNING") as asking,
        ThreadPoolExecutor() as pool,
    ):
        began = monotonic()
        replies = pool.map(lambda who: asking.to_send("jobs", {"customer": who, "job": 1}), "abcd")
        assert [reply["done"] for reply in replies] == ["a 1", "b 1", "c 1", "d 1"]
        elapsed_s = monotonic() - began
        durations = served.stats()["connections"]["in"]["jobs"]["handler_s"]
        assert elapsed_s < durations["sum"]
