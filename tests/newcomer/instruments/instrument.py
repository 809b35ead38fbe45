"""One instrument: tells a reading every few milliseconds."""

import random

from readings import READINGS, Reading

config_model = {"required": {"instrument": str}, "optional": {"every_s": float}}
connection_models = {"out": {"readings": READINGS}}


def main(to_send, config, stopping):
    n = 0
    while not stopping.wait(config.get("every_s", 0.02)):
        to_send("readings", Reading(config["instrument"], n, random.gauss(20, 1)))
        n += 1
