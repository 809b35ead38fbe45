from __future__ import annotations

from importlib import import_module

import pytest

from benchmarks.arguments import QUESTIONS, QUICK, parse


def test_without_a_name_every_question_is_asked() -> None:
    assert parse([]).questions == list(QUESTIONS)


def test_rounds_and_bursts_can_be_set_on_top_of_quick() -> None:
    settings = parse(["--quick", "--rounds", "1", "rpc"]).settings
    assert (settings.rounds, settings.burst_s, settings.is_quick) == (1, QUICK.burst_s, True)


@pytest.mark.parametrize("argv", [["rcp"], ["--rounds", "0"], ["--burst", "0"]])
def test_a_wrong_argument_is_a_usage_error(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize(("question", "module"), list(QUESTIONS.items()))
def test_each_question_says_in_its_file_what_it_asks(question: str, module: str) -> None:
    found = import_module(f"benchmarks.{module}")
    assert str(found.__doc__).startswith(f"{question}: ")
    assert callable(found.answer)
