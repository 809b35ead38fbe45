"""Service files, each read in a process of its own."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from sf_actors.fleet.findings import Finding
from sf_actors.fleet.fleet_file import read_fleet
from sf_actors.fleet.reading import Read, _side_by_side, read_services
from sf_actors.sync.event import LightEvent
from tests.support.waiting import until

pytestmark = pytest.mark.slow

REPLYER = """
config_model = {'optional': {'instance': int, 'timeout': float}}
def answer(args): return {}
def setup_connections(config):
    print('a print', flush=True)
    return {'x': {'catch_up_s': config.get('timeout', 0.0)}}
connection_models = {
    'in': {
        'x': {'connection_type': 'replyer', 'required_creation_arguments': {'on': answer}},
    },
}
"""


WRONG_HANDLER = """
def wrong(a, b, c, d, e): pass
connection_models['in']['x']['required_creation_arguments']['on'] = wrong
"""


def read(folder: Path, *, deadline_s: float = 60.0, keys: str = "", **files: str) -> Read:
    text = ""
    for name, source in files.items():
        (folder / f"{name}.py").write_text(source)
        text += f'[services.{name}]\nfile = "{name}.py"\n{keys}\n'
    (folder / "fleet.toml").write_text(text)
    return read_services(read_fleet(folder / "fleet.toml"), deadline_s=deadline_s)


def failure(found: Read) -> tuple[str, str]:
    (finding,) = found.findings
    assert finding.code == "E401"
    return finding.at.rpartition("/")[2], finding.message


def test_models_are_as_the_setup_hooks_leave_them_with_the_config(tmp_path: Path) -> None:
    found = read(tmp_path, keys="config = { timeout = 0.5 }", a=REPLYER)

    outline = found.outlines["a"]
    (model,) = outline.models
    assert model.creation["catch_up_s"] == 0.5
    assert model.at == f"{tmp_path}/a.py:9"
    assert outline.takes_instance
    assert found.findings == ()


def test_a_process_has_the_variables_of_the_service(tmp_path: Path) -> None:
    source = "import os\nif 'HERE' in os.environ: raise ValueError(os.environ['HERE'])\n"
    found = read(tmp_path, keys='env = { HERE = "there" }', a=source)

    assert failure(found) == ("a.py:2", "it raised ValueError: there")


def test_the_fleets_folder_is_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "common.py").write_text("from pathlib import Path\nHERE = Path.cwd()\n")
    (tmp_path / "sub").mkdir()
    source = "import common\nraise ValueError(common.HERE.name)\n"
    (tmp_path / "sub" / "a.py").write_text(source)
    (tmp_path / "fleet.toml").write_text('[services.a]\nfile = "sub/a.py"\n')

    found = read_services(read_fleet(tmp_path / "fleet.toml"))

    assert failure(found) == ("a.py:2", f"it raised ValueError: {tmp_path.name}")


@pytest.mark.parametrize(
    ("source", "at", "message"),
    [
        ("x =\n", "a.py", "a.py:1: SyntaxError: invalid syntax"),
        ("import sys\nsys.exit(3)\n", "a.py:2", "it called sys.exit(3)"),
        ("import os\nos._exit(7)\n", "a.py", "its process ended with 7 while it was imported"),
        ("import nowhere\n", "a.py:1", "it raised ModuleNotFoundError: No module named 'nowhere'"),
        ("connection_models = {'in': {'x': {}}}\n", "a.py", "'connection_type' is missing"),
        ("config_model = {'required': {'a': int}}\n", "a.py", "missing 'a' (int), required by"),
        (f"{REPLYER}{WRONG_HANDLER}", "a.py", "the handler"),
    ],
)
def test_e401_says_why_a_file_cannot_be_read(
    tmp_path: Path, source: str, at: str, message: str
) -> None:
    found = failure(read(tmp_path, a=source))

    assert found[0] == at
    assert message in found[1]


def test_e401_is_told_of_main_mode_without_main_or_with_inbound_models(tmp_path: Path) -> None:
    found = read(tmp_path, keys="main = true", a=REPLYER)
    assert "main mode needs a function 'main'" in failure(found)[1]

    with_main = f"{REPLYER}\ndef main(to_send): pass\n"
    found = read(tmp_path, keys="main = true", a=with_main)
    assert "main mode serves nothing inbound" in failure(found)[1]

    found = read(tmp_path, keys="main = true\nallow_inbound = true", a=with_main)
    assert found.findings == ()


def test_a_file_that_is_not_there_and_a_config_that_cannot_be_read_are_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "fleet.toml").write_text('[services.a]\nfile = "a.py"\n')
    found = read_services(read_fleet(tmp_path / "fleet.toml"))
    assert "there is no service file" in failure(found)[1]

    found = read(tmp_path, keys='config = "c.json"', a=REPLYER)
    assert "cannot read the config file" in failure(found)[1]


def test_one_that_hangs_is_ended_at_its_deadline_with_what_it_started(tmp_path: Path) -> None:
    source = f"""
import subprocess, time
child = subprocess.Popen(['sleep', '60'])
open({str(tmp_path / "pid")!r}, 'w').write(str(child.pid))
time.sleep(60)
"""
    began = time.monotonic()
    found = read(tmp_path, deadline_s=5.0, a=source, b=REPLYER)

    assert failure(found)[1] == "it is still being imported after 5 s"
    assert "b" in found.outlines
    assert time.monotonic() - began < 30
    child = int((tmp_path / "pid").read_text())
    state = Path(f"/proc/{child}/stat")

    def has_ended() -> bool:
        # it may be there as one that nobody has waited for yet
        try:
            return state.read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    until(has_ended, "the end of what it started")


def test_what_a_handler_asks_is_followed_through_the_functions_of_the_file(
    tmp_path: Path,
) -> None:
    source = """
import asyncio
def deep(send, name): send('connection', 'second', {})
def helper(to_send):
    deep(to_send, 'x')
    ask = to_send
    ask('third', {})
def on_direct(args, to_send):
    to_send('first', {})
    helper(to_send)
    to_send('state', 'book', {})
    name = 'fourth'
    to_send(name, {})
async def on_async(args, to_send):
    await asyncio.to_thread(to_send, 'first', {})
    await asyncio.gather(also(to_send), asyncio.to_thread(deep, to_send, 'x'))
async def also(to_send): to_send('third', {})
def on_started(args, to_send):
    def later(): to_send('first', {})
    def now(): to_send('second', {})
    threading.Thread(target=later).start()
    pool.submit(to_send, 'first', {})
    pool.submit(lambda: to_send('first', {}))
    asyncio.create_task(also(to_send))
    now()
    return pool.submit(to_send, 'fourth', {}).result()
class On:
    def __call__(self, args): pass
    def method(self, args, to_send): self.inner(to_send)
    def inner(self, to_send): to_send('third', {})
def by_position(a, b, c, d): b('first', {})
def model(on): return {'connection_type': 'replyer', 'required_creation_arguments': {'on': on}}
def ask(): return {'connection_type': 'requester'}
connection_models = {
    'in': {'direct': model(on_direct), 'started': model(on_started),
           'async': model(on_async), 'method': model(On().method),
           'lambda': model(lambda args, to_send: to_send('second', {})),
           'position': model(by_position),
           'timer': {'connection_type': 'timer',
                     'required_creation_arguments': {'every_s': 1.0, 'on': on_direct}}},
    'out': {'first': ask(), 'second': ask(), 'third': ask()},
}
state_models = {'out': {'book': {'state_type': 'full_update', 'required_arguments': {'a': int}}}}
"""
    outline = read(tmp_path, a=source).outlines["a"]

    asks = {model.name: set(model.asks) for model in (*outline.models, *outline.timers)}
    assert asks["direct"] == asks["timer"] == {"first", "second", "third"}
    assert asks["async"] == {"first", "second", "third"}
    assert asks["started"] == {"second", "fourth"}
    assert asks["method"] == {"third"}
    assert asks["lambda"] == {"second"}
    assert asks["position"] == {"first"}
    assert asks["first"] == set()


def test_after_an_error_no_further_file_is_begun() -> None:
    begun: list[int] = []
    is_over = LightEvent()

    def read(number: int) -> Finding:
        begun.append(number)
        if len(begun) > 3:
            is_over.set()
            raise LookupError
        return Finding("E101", "it", "", "")

    with pytest.raises(LookupError):
        _side_by_side(read, range(1000), is_over)  # type: ignore[arg-type]
    before = set(threading.enumerate())
    until(lambda: not [t for t in before if t.is_alive() and t.name.startswith("fleet/read")])
    assert len(begun) < 100
