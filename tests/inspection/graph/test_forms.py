"""The forms of a graph of service files: each as its own readers take it, the same every time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest

from sf_actors import SfActorsError, UsageError
from sf_actors.cli.verbs import graph
from sf_actors.inspection.graph.drawing import by_process, drawing_of
from sf_actors.inspection.graph.layout import MANY
from sf_actors.inspection.graph.model import Edge, Graph, Node, OpenEnd
from tests.inspection.service_texts import write_market
from tests.support.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    #: Runs the verb with the market's files and flags, and returns what it printed.
    Printed = Callable[..., str]

SVG = "{http://www.w3.org/2000/svg}"
FORMS = ("text", "mermaid", "dot", "json", "svg")

#: Characters that mean something in one of the forms.
ODD = "a\"b'<c>&[d]{e}|f\\g`h;é\u202e"


@pytest.fixture
def market(tmp_path: Path) -> list[str]:
    return write_market(tmp_path)


@pytest.fixture
def printed(market: list[str], capsys: pytest.CaptureFixture[str]) -> Printed:
    def run(*flags: str) -> str:
        assert graph.run([*market, *flags]) == 0
        return capsys.readouterr().out

    return run


def odd_graph() -> Graph:
    edge = Edge(ODD, ODD, "b", "in", ODD, "message", "\x1b[31m")
    return Graph((Node(ODD, ODD), Node("b")), (edge,), (OpenEnd("b", ODD, "in", "call", ODD),))


def test_text_names_services_edges_and_open_ends(printed: Printed, tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text(
        '{"connections": {"out": {"orders": "127.0.0.1:5"}, "in": {"orders": "127.0.0.1:6"}}}'
    )

    lines = printed("-a", str(tmp_path / "addresses.json")).splitlines()

    assert re.split(" +", lines[1].strip())[0] == "exchange"
    joined = lines[lines.index("joined") + 1 : lines.index("open")]
    assert [re.split(" +", line.strip()) for line in joined] == [
        ["exchange/book", "->", "trader/book", "delta_update"],
        ["exchange/trades", "->", "keeper/trades", "message", "eurusd"],
    ]
    left = lines[lines.index("open") + 1 :]
    assert [re.split(" +", line.strip()) for line in left] == [
        ["exchange/orders", "in", "call", "127.0.0.1:6"],
        ["trader/orders", "out", "call", "127.0.0.1:5"],
    ]


def test_json_has_the_shape_of_the_contract(printed: Printed, market: list[str]) -> None:
    found = json.loads(printed("--json"))

    assert found["services"] == [
        {"name": name, "file": file}
        for name, file in zip(("exchange", "trader", "keeper"), market, strict=True)
    ]
    assert found["edges"] == [
        edge("exchange/book", "trader/book", "book", "delta_update"),
        edge("exchange/trades", "keeper/trades", "trades", "message", "eurusd"),
        edge("trader/orders", "exchange/orders", "orders", "call"),
    ]
    assert found["open"] == []


def test_an_open_end_in_json_tells_where_it_is(
    market: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert graph.run([market[2], "-a", str(tmp_path / "addresses.json"), "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["open"] == [
        {
            "service": "keeper",
            "model": "trades",
            "side": "in",
            "kind": "message",
            "address": "localhost:27002",
        }
    ]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_the_same_input_gives_the_same_bytes(market: list[str], form: str) -> None:
    command = [sys.executable, "-m", "sf_actors", "graph", *market, f"--{form}"]
    outputs = {
        subprocess.run(
            command,
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin", "PYTHONPATH": str(ROOT)},
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1
    assert outputs.pop()


def test_an_svg_is_xml_with_all_services_and_edges(printed: Printed) -> None:
    root = ElementTree.fromstring(printed("--svg"))

    assert root.tag == f"{SVG}svg"
    services = [found.get("data-service") for found in root.iter(f"{SVG}g")]
    assert [name for name in services if name] == ["exchange", "trader", "keeper"]
    texts = {text.text for text in root.iter(f"{SVG}text")}
    assert texts == {"exchange", "trader", "keeper", "book", "trades eurusd", "orders"}
    ids = [found.get("id") for found in root.iter() if found.get("id")]
    assert len(ids) == len(set(ids))


def test_no_two_parts_of_an_svg_lie_upon_each_other(printed: Printed) -> None:
    root = ElementTree.fromstring(printed("--svg"))
    boxes = [
        tuple(float(str(rect.get(name))) for name in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("x")
    ]

    assert len(boxes) == 3
    for number, (x, y, width, height) in enumerate(boxes):
        for other_x, other_y, other_width, other_height in boxes[:number]:
            assert (
                x + width <= other_x
                or other_x + other_width <= x
                or y + height <= other_y
                or other_y + other_height <= y
            )


def test_an_svg_holds_nothing_that_a_page_would_have_to_allow(printed: Printed) -> None:
    text = printed("--svg")

    assert not re.search(r"\bstyle=|<style|<script|\bon\w+=|href=|url\((?!#)", text)


@pytest.mark.parametrize("form", FORMS)
def test_names_of_any_characters_break_no_form(form: str) -> None:
    text = graph._written(odd_graph(), form)

    assert "\x1b" not in text
    assert "\u202e" not in text
    if form == "svg":
        root = ElementTree.fromstring(text)
        assert any(ODD[:-1] in str(found.get("data-service")) for found in root.iter())
    if form == "dot":
        assert 'label="a\\"b' in text
    if form == "mermaid":
        assert all(re.fullmatch(r'[^"]*("[^"<>`|]*"[^"]*)?', line) for line in text.splitlines())
    if form == "json":
        assert json.loads(text)["services"][0]["name"] == ODD


def test_where_there_are_many_services_those_of_a_process_are_one_box() -> None:
    many = [Node(f"s{n}", None, pid=1 + n // 50) for n in range(100)]
    edges = [Edge(f"s{n}", "m", f"s{99 - n}", "m", "m", "call") for n in range(50)]
    drawn = drawing_of(Graph(tuple(many), tuple(edges), ()))

    assert [node.name for node in drawn.graph.services] == [
        "s0 and 49 more in 1",
        "s50 and 49 more in 2",
    ]
    assert [edge.model for edge in drawn.graph.edges] == ["m and 49 more"]
    assert [len(names) for names in drawn.members] == [50, 50]
    assert [len(bundle) for bundle in drawn.bundles] == [50]
    ElementTree.fromstring(drawn.svg())


def test_services_of_files_and_lonely_processes_stay_apart() -> None:
    files = Graph(tuple(Node(f"s{n}") for n in range(MANY + 1)), (), ())

    assert by_process(files)[0] == files
    assert len(drawing_of(files).graph.services) == MANY + 1


def test_services_that_ask_each_other_in_a_ring_are_drawn() -> None:
    nodes = tuple(Node(name) for name in "abc")
    ring = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("b", "a")]
    edges = tuple(Edge(one, "m", other, "m", "m", "call") for one, other in ring)
    drawn = drawing_of(Graph(nodes, edges, ()))

    for (one, other), line in zip(ring, drawn.layout.lines, strict=True):
        for name, (x, y) in ((one, line[0]), (other, line[-1])):
            box_x, box_y = drawn.layout.boxes["abc".index(name)]
            assert abs(x - box_x) <= 96
            assert abs(y - box_y) <= 29


# files


@pytest.mark.parametrize(
    ("ending", "beginning"),
    [
        ("txt", "services"),
        ("mmd", "flowchart"),
        ("mermaid", "flowchart"),
        ("dot", "digraph"),
        ("gv", "digraph"),
        ("json", "{"),
        ("SVG", "<svg"),
    ],
)
def test_the_ending_of_a_file_is_its_form(
    printed: Printed, tmp_path: Path, ending: str, beginning: str
) -> None:
    out = tmp_path / f"graph.{ending}"

    assert printed("-o", str(out)) == ""

    assert out.read_text().startswith(beginning)


def test_a_flag_counts_more_than_an_ending(printed: Printed, tmp_path: Path) -> None:
    printed("--dot", "-o", str(tmp_path / "graph.txt"))

    assert (tmp_path / "graph.txt").read_text().startswith("digraph")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-o", "x.svgg"], "did you mean '.svg'?"),
        (["--svg", "--dot"], "not allowed with"),
        (["--at", "tcp://127.0.0.1:1"], "--at: expected no service files"),
    ],
)
def test_a_wrong_use_is_told(printed: Printed, flags: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        printed(*flags)


def test_a_file_that_cannot_be_written_is_a_failure(printed: Printed) -> None:
    with pytest.raises(
        SfActorsError, match=r"cannot write .nowhere/x\.svg.: No such file"
    ) as raised:
        printed("-o", "nowhere/x.svg")

    assert not isinstance(raised.value, UsageError)


def test_without_its_extra_a_picture_is_refused_in_one_line(
    printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "graphlay", None)

    with pytest.raises(UsageError, match=r"extra 'graph'.*pip install 'sf_actors\[graph\]'"):
        printed("--svg")
    assert printed("--dot").startswith("digraph")


def edge(source: str, target: str, model: str, kind: str, topic: Any = None) -> dict[str, Any]:
    return {"from": source, "to": target, "model": model, "kind": kind, "topic": topic}
