"""Prices symbols, tells which instance did so, and prints and logs in every way that there is."""

import logging
import os
import sys
import threading
from decimal import Decimal
from typing import Any

from sf_actors import get_logger

LOG = get_logger()
OWN: dict[str, int] = {}

config_model = {"required": {"instance": int}}


def init_function(config: dict[str, Any]) -> None:
    OWN.update(config)
    print("here is", config["instance"], "\nin two lines")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.stdout.buffer.write(b"as bytes\n")
    sys.stdout.buffer.flush()
    print("to standard error", file=sys.stderr)
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    LOG.debug("nobody wants this")
    logging.getLogger("library").warning("of a library", extra={"symbol": "ABC"})


def on_price(args: dict[str, Any]) -> dict[str, Any]:
    LOG.info("pricing", symbol=args["symbol"], price=Decimal("1.50"))
    margin = int(os.environ["CONFORMANCE_MARGIN"])
    return {"price": Decimal("1.50") + margin, "instance": OWN["instance"]}


connection_models = {
    "in": {
        "price": {
            "connection_type": "replyer",
            "required_arguments": {"symbol": str},
            "required_return_arguments": {"price": Decimal, "instance": int},
            "required_creation_arguments": {"on_price": on_price},
        }
    }
}
