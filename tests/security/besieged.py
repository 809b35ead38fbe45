"""A service in a process of its own with every kind of socket that peers can reach."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from tests.security.conversations import FORBIDDEN, Target
from tests.support.processes import Process

SERVICE_FILE = '''
"""Every kind of socket that peers can reach, and a state that changes without a pause."""

import gc
import sys
import threading
from ctypes import CDLL, Structure, c_size_t
from decimal import Decimal
from uuid import UUID

from sf_actors import ServiceStopped

FIELDS = {
    "required_arguments": {"n": int},
    "optional_arguments": {
        "prices": {Decimal: int},
        "ids": {UUID: int},
        "pairs": {(Decimal, Decimal): int},
        "anything": dict,
        "record": {"a": int, "b": [str]},
    },
}
N = {"required_arguments": {"n": int}}
REPLY = {"required_return_arguments": {"n": int}}
BOOK = {"required_arguments": {"n": int}, "optional_arguments": {"prices": {Decimal: int}}}

FIGURES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()

must_rest = threading.Event()
rests = threading.Event()
last = {}
seen = {"told": 0, "by a refused peer": 0}


def on_request(args):
    seen["by a refused peer"] += args["n"] == FORBIDDEN
    return {"n": args["n"]}


def on_message(args):
    seen["told"] += 1
    seen["by a refused peer"] += args["n"] == FORBIDDEN
    if args["n"] == 13:
        raise ValueError("13 is out of luck")


def on_rest(args):
    """Let the state be as it is from now on, and tell how that is."""
    must_rest.set()
    if not rests.wait(10):
        raise TimeoutError("the updates do not end")
    return {"book": last}


def on_measure(args):
    """Give back what is free, so that what the process holds is in use; tell what came."""
    gc.collect()
    trim = getattr(CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return {"seen": seen, "heap": heap_in_use(), "blocks": sys.getallocatedblocks()}


def heap_in_use():
    """Return how many bytes C code has in use, 0 where that cannot be asked for."""
    if not hasattr(CDLL(None), "mallinfo2"):
        return 0

    class Info(Structure):
        _fields_ = [(name, c_size_t) for name in FIGURES]

    ask = CDLL(None).mallinfo2
    ask.restype = Info
    info = ask()
    return info.uordblks + info.hblkhd


def update(to_send):
    n = 0
    try:
        while not must_rest.wait(0.01):
            price = Decimal(n * 7 % 50)
            change = {"n": n, "prices": {price: None if n % 3 == 0 else n}}
            to_send("state", "book", change)
            last["n"] = n
            prices = last.setdefault("prices", {})
            if n % 3 == 0:
                prices.pop(price, None)
            else:
                prices[price] = n
            to_send("state", "summary", {"n": n})
            to_send("connection", "news", {"n": n})
            n += 1
    except ServiceStopped:
        return
    finally:
        rests.set()


def init_function(to_send):
    threading.Thread(target=update, args=(to_send,), daemon=True).start()


def replyer(handler, fields, returned, **creation):
    return {
        "connection_type": "replyer",
        "required_creation_arguments": {"on_new_request": handler},
        "optional_creation_arguments": creation,
        "required_return_arguments": returned,
        **fields,
    }


connection_models = {
    "in": {
        "echo": replyer(on_request, FIELDS, {"n": int}),
        "once": replyer(on_request, FIELDS, {"n": int}, deduplicate=True),
        "rest": replyer(on_rest, {}, {"book": {"n": int, "prices": {Decimal: int}}}),
        "measure": replyer(on_measure, {}, {"seen": {str: int}, "heap": int, "blocks": int}),
        "told": {
            "connection_type": "subscriber",
            "required_creation_arguments": {"on_new_message": on_message},
            "optional_creation_arguments": {"is_binder": True},
            **FIELDS,
        },
    },
    "out": {"news": {"connection_type": "publisher", **N}},
}
state_models = {
    "in": {
        "heard": {
            "state_type": "full_update_in",
            "optional_creation_arguments": {"is_binder": True},
            **FIELDS,
        },
    },
    "out": {
        "book": {"state_type": "delta_update_out", **BOOK},
        "summary": {"state_type": "full_update_out", **N},
    },
}
'''

#: What is bound where peers can reach it: the kind of socket, and what it expects.
REACHABLE = {
    "echo.replyer": ("ROUTER", "request"),
    "once.replyer": ("ROUTER", "request"),
    "told.subscriber": ("SUB", "published"),
    "news.publisher": ("XPUB", "none"),
    "heard.subscriber": ("SUB", "published"),
    "book.publisher": ("XPUB", "none"),
    "book.replyer": ("ROUTER", "snapshot request"),
    "summary.publisher": ("XPUB", "none"),
}
#: The states of a connection that holds a descriptor, as Linux numbers them.
STATES = {"01": "established", "04": "closing", "08": "left by the peer"}

ANY_PORT = "127.0.0.1:0"


class Held(NamedTuple):
    """What the process holds."""

    resident_mb: float
    highest_mb: float
    descriptors: int
    #: what is in use, as far as the service was asked: the rest is free, but in pieces
    in_use_mb: float = 0.0


class Besieged:
    """The running service.

    :param folder: for its files
    :param keys: its folder of keys, if it is to have any
    """

    def __init__(self, folder: Path, keys: Path | None) -> None:
        (folder / "besieged.py").write_text(f"FORBIDDEN = {FORBIDDEN}\n{SERVICE_FILE}")
        # those that serve the test itself are none for peers
        addresses = {
            "connections": {
                "in": {"echo": ANY_PORT, "once": ANY_PORT, "told": ANY_PORT}
                | {name: f"ipc://{folder}/{name}" for name in ("rest", "measure")},
                "out": {"news": ANY_PORT},
            },
            "states": {
                "in": {"heard": ANY_PORT},
                "out": {
                    "book": {"publisher": ANY_PORT, "replyer": ANY_PORT},
                    "summary": ANY_PORT,
                },
            },
        }
        (folder / "addresses.json").write_text(json.dumps(addresses))
        flags = ["-s", "besieged.py", "-a", "addresses.json", "-cl", "INFO"]
        flags += ["--keys", str(keys)] if keys else []
        self.process = Process(*flags, cwd=folder)
        try:
            self.addresses: dict[str, str] = self.process.wait_until_ready()
        except BaseException:
            self.process.__exit__()
            raise

    def __enter__(self) -> Besieged:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.__exit__()

    def targets(self) -> list[Target]:
        """Return its sockets as peers find them."""
        return [
            Target(name, int(self.addresses[name].rpartition(":")[2]), *kind)
            for name, kind in REACHABLE.items()
        ]

    def client_addresses(self) -> dict[str, Any]:
        """Return what an honest service that connects to it takes for its own addresses."""
        at = self.addresses
        asked = {name: at[f"{name}.replyer"] for name in ("echo", "once", "rest", "measure")}
        book = {"subscriber": at["book.publisher"], "requester": at["book.replyer"]}
        return {"connections": {"out": asked}, "states": {"in": {"book": book}}}

    def held(self) -> Held:
        """Return what the process holds at this moment."""
        process = Path(f"/proc/{self.process.popen.pid}")
        lines = (process / "status").read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        resident, highest = (int(sizes[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return Held(resident, highest, len(os.listdir(process / "fd")))

    def connections(self) -> Counter[str]:
        """Return how many connections each socket has, by its name and their state."""
        names = {target.port: target.name for target in self.targets()}
        found: Counter[str] = Counter()
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            _, near, _, state, *_ = line.split()
            name = names.get(int(near.rpartition(":")[2], 16))
            if name is not None and state in STATES:
                found[f"{name} {STATES[state]}"] += 1
        return found

    def last_words(self) -> str:
        """Return how the process ended, if it did, and what it said last."""
        status = self.process.popen.poll()
        if status is None:
            return "the process runs"
        self.process.wait()
        last = [line[:500] for line in self.process.err if not line.startswith("{")][-20:]
        return f"the process ended with {status}, and said at last {last}"
