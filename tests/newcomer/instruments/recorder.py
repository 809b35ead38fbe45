"""The recorder: keeps every reading in SQLite, and the latest of each instrument in a state."""

import sqlite3
from time import monotonic

from readings import LATEST, READINGS

from sf_actors import counterpart

SILENT_S = 0.3

config_model = {"required": {"database": str}}
state_models = {"out": {"latest": LATEST}}
heard = {}


def init_function(to_send, config):
    global database
    # handlers take turns, but not always in the same thread
    database = sqlite3.connect(config["database"], isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("CREATE TABLE IF NOT EXISTS readings (instrument TEXT, n INT, celsius REAL)")
    to_send("latest", {"instruments": {}})


def on_reading(args, to_send):
    row = (args.instrument, args.n, args.celsius)
    database.execute("INSERT INTO readings VALUES (?, ?, ?)", row)
    heard[args.instrument] = monotonic()
    latest = {"celsius": args.celsius, "is_silent": False}
    to_send("latest", {"instruments": {args.instrument: latest}})


def on_look(to_send, states):
    for name, latest in states["latest"]["instruments"].items():
        if not latest["is_silent"] and monotonic() - heard[name] > SILENT_S:
            to_send("latest", {"instruments": {name: {"is_silent": True}}})


connection_models = {
    "in": {
        "readings": {
            **counterpart(READINGS),
            "required_creation_arguments": {"on_reading": on_reading, "is_binder": True},
        },
        "look": {
            "connection_type": "timer",
            "required_creation_arguments": {"on_look": on_look, "every_s": 0.1},
        },
    }
}
