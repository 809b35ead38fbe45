"""A service file whose author checks it with mypy."""

from __future__ import annotations

import pytest

from tests.support.mypy import strictly_checked

SERVICE = """
from dataclasses import dataclass

from sf_actors import Send, Service, States, Status, Stopping, Update, counterpart, get_logger

LOG = get_logger()


@dataclass
class Order:
    price: int


@dataclass
class Filled:
    cost: int


def on_order(args: Order, to_send: Send) -> Filled:
    to_send("state", "book", {"last": args.price})
    to_send("ticks", {"price": args.price})
    return Filled(args.price)


def on_book(args: dict[str, int], states: States, update: Update) -> None:
    if update.is_whole and update.epoch is not None:
        LOG.info("whole", number=update.number + 1, last=states["book"]["last"])
    status: Status = states.status("book")
    LOG.info("status", phase=str(status.phase), known=list(states), there="book" in states)
    LOG.info("all", values=dict(states.items()), nothing=states.get("nothing"))


def on_status(status: Status, to_send: Send) -> None:
    LOG.info("status", phase=str(status.phase))


def main(to_send: Send, states: States, stopping: Stopping) -> None:
    states.wait("book", timeout_s=1.0)
    while not stopping.wait(0.1):
        reply: Filled = to_send("connection", "orders", Order(1))
        LOG.info("filled", cost=reply.cost, stopping=stopping.is_set())


connection_models = {
    "in": {
        "orders": {
            "connection_type": "replyer",
            "required_creation_arguments": {"on_order": on_order},
            "required_arguments": Order,
            "required_return_arguments": Filled,
        }
    }
}
ORDERS = counterpart(connection_models["in"]["orders"])


def run() -> None:
    with Service("svc.py") as service:
        service.wait(1.0)
"""

WRONG = """
from sf_actors import Send, Stopping, Update

def on_book(args: object, update: Update, to_send: Send, stopping: Stopping) -> None:
    update.number = 1
    to_send("book")
    stopping.set()
"""

#: The protocols against what is there.
FITTING = """
from sf_actors import Send, Service, States, Stopping, Update
from sf_actors.sync.stopping import Stopping as OurStopping
from sf_actors.user_code.states_view import States as OurStates
from sf_actors.user_code.to_send import ToSend
from sf_actors.user_code.update import Update as OurUpdate

def fits(
    to_send: ToSend, states: OurStates, update: OurUpdate, stopping: OurStopping
) -> tuple[Send, States, Update, Stopping]:
    return to_send, states, update, stopping

def handed_on(service: Service) -> tuple[Send, States]:
    return service.to_send, service.states
"""

pytestmark = pytest.mark.slow


FILES = {"svc.py": SERVICE, "wrong.py": WRONG, "fitting.py": FITTING}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Give what mypy says of all files."""
    folder = tmp_path_factory.mktemp("typed")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    lines = strictly_checked(folder, *FILES)
    assert "3 source files" in lines[-1]
    return lines


def lines_about(said: list[str], file: str) -> list[str]:
    return [line for line in said if line.startswith(f"{file}:")]


def test_a_typed_service_file_passes(said: list[str]) -> None:
    assert not lines_about(said, "svc.py")


def test_what_does_not_fit_is_found(said: list[str]) -> None:
    lines = lines_about(said, "wrong.py")

    assert len(lines) == 3
    assert '"number"' in lines[0]
    assert "Too few arguments" in lines[1] or "arg" in lines[1]
    assert '"set"' in lines[2]


def test_what_functions_get_fits_the_types(said: list[str]) -> None:
    assert not lines_about(said, "fitting.py")
