"""Extra arguments that were meant as flags, and what the service file may allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sf_actors.cli import command as cli

MAIN = "def main(config): print(config)\n"


def run(text: str, *flags: str) -> int:
    Path("svc.py").write_text(text)
    return cli.main(["-s", "svc.py", "-m", "-cl", "NONE", *flags])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_argument_that_misses_a_flag_ends_with_2_and_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(MAIN, "--address_path", "addresses.json") == 2
    assert capsys.readouterr().err.splitlines() == [
        (
            "sf_actors: --address_path: expected a flag, or a key that config_model declares; "
            "did you mean '--addresses_path'?"
        )
    ]


def test_other_arguments_go_into_the_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(MAIN, "--key", "1", "--page", "2") == 0
    assert capsys.readouterr().out == "{'key': '1', 'page': '2'}\n"


def test_a_declared_key_goes_into_the_config(capsys: pytest.CaptureFixture[str]) -> None:
    model = "config_model = {'required': {'address_path': str}}\n"
    assert run(model + MAIN, "--address-path", "x") == 0
    assert capsys.readouterr().out == "{'address_path': 'x'}\n"


def test_the_file_may_allow_inbound_models_beside_main(capsys: pytest.CaptureFixture[str]) -> None:
    inbound = """
allow_inbound = True
connection_models = {'in': {'news': {
    'connection_type': 'subscriber', 'required_creation_arguments': {'on_news': print}}}}
def setup_addresses(): return {'connections': {'in': {'news': 'inproc://news-of-nobody'}}}
"""
    assert run(MAIN + inbound) == 0
    assert capsys.readouterr().out == "{}\n"
