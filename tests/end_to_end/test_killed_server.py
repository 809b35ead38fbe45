"""Many client processes ask a replyer whose process is killed and started again meanwhile.

By default a few; ``SF_ACTORS_SOAK=1`` makes it 20 processes with 200 requests each.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import Process
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

IS_LONG = "SF_ACTORS_SOAK" in os.environ
CLIENTS = 20 if IS_LONG else 3
REQUESTS = 200 if IS_LONG else 60
KILLS = 2
PATIENCE_S = 500.0

#: The effects after which a server is killed: two servers that did twice as many leave a third.
ENOUGH = CLIENTS * REQUESTS // (3 * KILLS)

#: Fails at random before its effect, and is at random slower than its callers wait after it. Each
#: process writes its effects down in a file of its own. One that is to be killed does no more than
#: ``most``: else a quick one had done all of them before anybody looked.
SERVER_FILE = """
import os, random, signal, time
EFFECTS = open(f'effects-{os.getpid()}', 'a', buffering=1)
DONE = []
config_model = {'required': {'most': int}}
def on_request(args, config):
    chance = random.random()
    if chance < 0.1: raise RuntimeError('as it happens')
    EFFECTS.write(f"{args['client']}.{args['n']}\\n")
    DONE.append(None)
    if len(DONE) == config['most']: signal.pause()
    if chance > 0.98: time.sleep(0.5)
    return {'pid': os.getpid()}
connection_models = {'in': {'do': {
    'connection_type': 'replyer',
    'required_creation_arguments': {'on_new_request': on_request},
    'optional_creation_arguments': {'deduplicate': True},
    'required_arguments': {'client': int, 'n': int},
    'required_return_arguments': {'pid': int},
}}}
"""

CLIENT_FILE = """
import json
from sf_actors import RemoteError, RequestTimeout
connection_models = {'out': {'do': {
    'connection_type': 'requester',
    'optional_creation_arguments': {'timeout_s': 0.3, 'retries': 9},
    'required_arguments': {'client': int, 'n': int},
    'required_return_arguments': {'pid': int},
}}}
config_model = {'required': {'client': int, 'requests': int}}
def main(to_send, config):
    ends = []
    for n in range(config['requests']):
        try:
            reply = to_send('connection', 'do', {'client': config['client'], 'n': n})
        except RemoteError as error:
            ends.append(['error', error.type])
        except RequestTimeout:
            ends.append(['timeout', None])
        else:
            ends.append(['reply', reply['pid']])
    with open(f"ends-{config['client']}", 'w') as file:
        json.dump(ends, file)
"""


def test_every_request_has_one_end_and_acknowledged_ones_took_effect_once(
    tmp_path: Path, new_address: Callable[[], str]
) -> None:
    address = new_address()
    (tmp_path / "server.py").write_text(SERVER_FILE)
    (tmp_path / "client.py").write_text(CLIENT_FILE)
    models = {"in": {"do": {"replyer": address}}, "out": {"do": {"requester": address}}}
    (tmp_path / "addresses.json").write_text(json.dumps({"connections": models}))

    def server(most: int) -> Process:
        flags = ["-a", "addresses.json", "-cl", "WARNING", "--most", str(most)]
        return Process("-s", "server.py", *flags, cwd=tmp_path)

    def client(number: int) -> Process:
        config = ["--client", str(number), "--requests", str(REQUESTS)]
        flags = ["-m", "-cl", "ERROR", *config]
        return Process("-s", "client.py", "-a", "addresses.json", *flags, cwd=tmp_path)

    def effects() -> dict[int, Counter[str]]:
        return {
            int(path.name.partition("-")[2]): Counter(path.read_text().split())
            for path in tmp_path.glob("effects-*")
        }

    with ExitStack() as stack:
        clients = [stack.enter_context(client(number)) for number in range(CLIENTS)]
        for _ in range(KILLS):
            serving = stack.enter_context(server(2 * ENOUGH))
            pid = serving.popen.pid
            until(
                lambda pid=pid: effects().get(pid, Counter()).total() >= ENOUGH,
                "the effects",
                PATIENCE_S,
            )
            serving.popen.kill()
            serving.popen.wait()
        serving = stack.enter_context(server(0))
        statuses = [process.wait(PATIENCE_S) for process in clients]
        assert statuses == [0] * CLIENTS, [process.err for process in clients]
        serving.interrupt()
        assert serving.wait(PATIENCE_S) == 0

    done = effects()
    assert len(done) == KILLS + 1
    kinds: Counter[str] = Counter()
    for number in range(CLIENTS):
        ends: list[tuple[str, Any]] = json.loads((tmp_path / f"ends-{number}").read_text())
        assert len(ends) == REQUESTS
        for n, (kind, told) in enumerate(ends):
            kinds[kind] += 1
            if kind == "reply":
                assert done[told][f"{number}.{n}"] == 1, f"request {n} of client {number}"
    twice = sum(count - 1 for mine in done.values() for count in mine.values())
    sys.stdout.write(f"ends {dict(kinds)}, effects {sum(e.total() for e in done.values())}\n")
    assert twice == 0, "one process did something twice"
    assert kinds["reply"] > 0
    assert kinds["error"] > 0
