from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks.arguments import QUESTIONS
from tests.support.effort import IS_FULL
from tests.support.processes import ROOT, Process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


#: How long all questions may take, in seconds; far more than they need.
PATIENCE_S = 400


@pytest.mark.skipif(not IS_FULL, reason="a run of all questions is for CI")
def test_a_quick_run_answers_all_questions_and_writes_json_and_a_chart(tmp_path: Path) -> None:
    tiny = ("--quick", "--rounds", "1", "--burst", "0.01")
    files = ("--json", str(tmp_path / "new" / "r.json"), "--svg", str(tmp_path / "r.svg"))
    with Process("-m", "benchmarks", *tiny, *files, module=None, cwd=ROOT) as run:
        assert run.wait(PATIENCE_S) == 0, run.err
    found = json.loads((tmp_path / "new" / "r.json").read_text())
    assert found["machine"]["versions"]["pyzmq"]
    assert list(found["answers"]) == list(QUESTIONS)
    for question, answer in found["answers"].items():
        ours = [row for row in answer["rows"] if row["is_ours"]]
        assert ours, question
        assert all(row["spread"]["median"] > 0 for row in ours), question
        assert answer["comparisons"], question
    assert any("targets met" in line for line in run.out)
    assert (tmp_path / "r.svg").read_text().startswith("<svg")


def test_the_questions_can_be_listed() -> None:
    with Process("-m", "benchmarks", "--list", module=None, cwd=ROOT) as run:
        assert run.wait() == 0
    assert run.out[0].startswith("rpc")
    assert [line.split()[0] for line in run.out] == list(QUESTIONS)
