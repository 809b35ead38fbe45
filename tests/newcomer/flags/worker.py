"""A worker: answers by its own replica of the flags."""

from flags import ASK, FLAGS

from sf_actors import counterpart

config_model = {"required": {"worker": str}}
state_models = {"in": {"flags": counterpart(FLAGS)}}


def on_ask(args, states, config):
    return {"is_on": states["flags"]["flags"][args["flag"]], "worker": config["worker"]}


# on a busy machine twenty workers may take longer than the usual second to catch up
ANSWER = {
    "required_creation_arguments": {"on_ask": on_ask},
    "optional_creation_arguments": {"catch_up_s": 30.0},
}
connection_models = {"in": {"ask": {**counterpart(ASK), **ANSWER}}}
