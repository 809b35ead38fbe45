"""A worker: answers by its own replica of the flags."""

from flags import ASK, FLAGS

from sf_actors import counterpart

config_model = {"required": {"worker": str}}
state_models = {"in": {"flags": counterpart(FLAGS)}}


def on_ask(args, states, config):
    return {"is_on": states["flags"]["flags"][args["flag"]], "worker": config["worker"]}


connection_models = {
    "in": {"ask": {**counterpart(ASK), "required_creation_arguments": {"on_ask": on_ask}}}
}
