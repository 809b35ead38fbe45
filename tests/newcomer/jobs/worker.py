"""A worker: one job takes 0.3 s, whatever it is."""

import time
from pathlib import Path

from job import JOB

from sf_actors import counterpart, get_logger

LOG = get_logger()
config_model = {"required": {"worker": str, "done": str}}


def on_job(args, config):
    time.sleep(0.3)
    with Path(config["done"]).open("a") as done:
        done.write(f"{args['job']}\n")
    LOG.info("job done", job=args["job"])
    return {"worker": config["worker"]}


connection_models = {
    "in": {
        "job": {
            **counterpart(JOB),
            "required_creation_arguments": {"on_job": on_job, "deduplicate": True},
        }
    }
}
