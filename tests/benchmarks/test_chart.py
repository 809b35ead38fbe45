from __future__ import annotations

from xml.etree import ElementTree as ET

from benchmarks.chart import BARS, chart
from benchmarks.figures import Answer, Target

SVG = "{http://www.w3.org/2000/svg}"


def drawn(answer: Answer) -> ET.Element:
    return ET.fromstring(chart([answer], "a <machine> & its load"))


def answered(question: str = "rpc") -> Answer:
    answer = Answer(question, "an echo")
    answer.add("raw", [50.0], "us")
    answer.add("ours", [100.0], "us", is_ours=True)
    return answer


def test_bars_are_as_long_as_their_figures() -> None:
    raw, ours = drawn(answered()).iter(f"{SVG}rect")
    assert float(ours.get("width", "0")) == BARS
    assert float(raw.get("width", "0")) == BARS / 2


def test_our_bars_have_a_colour_of_their_own() -> None:
    raw, ours = drawn(answered()).iter(f"{SVG}rect")
    assert raw.get("class") == "bar"
    assert ours.get("class") == "bar ours"


def test_text_cannot_break_the_markup() -> None:
    texts = [element.text for element in drawn(answered()).iter(f"{SVG}text")]
    assert "a <machine> & its load" in texts


def test_a_missed_target_stands_in_the_chart() -> None:
    answer = answered()
    answer.compare("ours", "raw", Target(1.5, 1.25))
    (line,) = [e for e in drawn(answer).iter(f"{SVG}text") if e.get("class") == "missed"]
    assert str(line.text).endswith("MISSED")


def test_figures_of_another_unit_get_a_panel_of_their_own() -> None:
    answer = answered()
    answer.add("memory", [1e9], "kB")
    raw, *_ = drawn(answer).iter(f"{SVG}rect")
    assert float(raw.get("width", "0")) == BARS / 2


def test_what_is_for_developers_alone_is_not_drawn() -> None:
    assert not list(drawn(answered("hops")).iter(f"{SVG}rect"))
