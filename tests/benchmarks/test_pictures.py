"""The README's pictures: there, well-formed, and nothing from elsewhere in them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import pictures
from sf_actors.cli.verb_table import BY_NAME

HERE = Path(pictures.__file__).parent


@pytest.mark.parametrize(
    ("name", "shown"), [("page.svg", "book_keeper"), ("terminal.svg", "sf_actors")]
)
def test_a_picture_of_the_readme_loads_nothing(name: str, shown: str) -> None:
    text = (HERE / name).read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert shown in text
    addresses = text.replace("http://www.w3.org/", "").replace("https://www.textualize.io", "")
    assert "http" not in addresses
    assert "<title>/" not in text


def test_what_takes_the_pictures_knows_the_verbs() -> None:
    assert {command[0] for command in pictures.COMMANDS} <= set(BY_NAME)
