from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.processes import ROOT, Process

if TYPE_CHECKING:
    from pathlib import Path


def test_a_tiny_run_prints_tables_and_writes_json_and_a_chart(tmp_path: Path) -> None:
    tiny = ("--quick", "--rounds", "1", "--burst", "0.01")
    files = ("--json", str(tmp_path / "new" / "r.json"), "--svg", str(tmp_path / "r.svg"))
    with Process("-m", "benchmarks", "rpc", "startup", *tiny, *files, module=None, cwd=ROOT) as run:
        assert run.wait(60) == 0, run.err
    found = json.loads((tmp_path / "new" / "r.json").read_text())
    assert found["machine"]["versions"]["pyzmq"]
    for question in ("rpc", "startup"):
        names = {row["name"]: row for row in found["answers"][question]["rows"]}
        assert names["sf_actors"]["spread"]["median"] > 0
        assert found["answers"][question]["comparisons"]
    assert any("targets met" in line for line in run.out)
    assert (tmp_path / "r.svg").read_text().startswith("<svg")


def test_the_questions_can_be_listed() -> None:
    with Process("-m", "benchmarks", "--list", module=None, cwd=ROOT) as run:
        assert run.wait() == 0
    assert run.out[0].startswith("rpc")
    assert len(run.out) == 9
