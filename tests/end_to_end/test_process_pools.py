"""Functions of a service file in other processes: pools find them whatever starts the processes."""

from __future__ import annotations

import pickle
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from sf_actors.definition.source import PACKAGE, ExecutedFile
from tests.support.processes import Process

if TYPE_CHECKING:
    from pathlib import Path

#: Its functions take and return instances of its own classes, and raise its own errors.
FILE = """
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import beside_it

config_model = {"required": {"method": str}}

@dataclass
class Job:
    n: int

class Odd(Exception):
    pass

def squared(job):
    if job.n % 2:
        raise Odd(job.n)
    return Job(job.n ** beside_it.TWO), os.getpid()

def main(config):
    with ProcessPoolExecutor(1, mp_context=get_context(config["method"])) as pool:
        done, pid = pool.submit(squared, Job(4)).result()
        try:
            pool.submit(squared, Job(3)).result()
        except Odd as error:
            print(done == Job(16), pid != os.getpid(), error)
"""

#: A process reads its function before `multiprocessing.parent_process` tells that it has a parent.
OF_ONE_PROCESS = """
from multiprocessing import get_context

config_model = {"required": {"method": str}}

def work(numbers):
    numbers.put(sum(numbers.get()))

def main(config):
    context = get_context(config["method"])
    numbers = context.Queue()
    numbers.put([1, 2])
    child = context.Process(target=work, args=(numbers,))
    child.start()
    child.join()
    print(child.exitcode, numbers.get())
"""


def written(folder: Path, text: str) -> Path:
    (folder / "beside_it.py").write_text("TWO = 2\n")
    file = folder / "svc.py"
    file.write_text(dedent(text))
    return file


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pool_calls_functions_of_a_service_file(method: str, tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    with Process("-s", str(file), "-m", "--method", method, "-cl", "WARNING") as process:
        assert process.wait() == 0, process.err
    assert process.out == ["True True 3"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_process_runs_a_function_of_a_service_file(method: str, tmp_path: Path) -> None:
    file = written(tmp_path, OF_ONE_PROCESS)
    with Process("-s", str(file), "-m", "--method", method, "-cl", "WARNING") as process:
        assert process.wait() == 0, process.err
    assert process.out == ["0 3"]


@pytest.mark.slow
def test_a_file_that_is_gone_from_the_path_is_told(tmp_path: Path) -> None:
    forgetful = "def main(config):\n    import sys\n    sys.path.pop(0)"
    file = written(tmp_path, FILE.replace("def main(config):", forgetful))
    with Process("-s", str(file), "-m", "--method", "spawn", "-cl", "WARNING") as process:
        assert process.wait() == 1
    assert any("put what other processes are to call into a module" in line for line in process.err)


def test_a_function_of_a_service_that_has_ended_is_not_pickled(tmp_path: Path) -> None:
    file = tmp_path / "svc.py"
    file.write_text("def main():\n    pass\n")
    executed = ExecutedFile(file)
    assert pickle.loads(pickle.dumps(executed.module.main)) is executed.module.main
    executed.unload()
    with pytest.raises(pickle.PicklingError):
        pickle.dumps(executed.module.main)
    assert not [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]
