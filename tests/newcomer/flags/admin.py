"""The admin: owns the flags, switches them, and says how many are on."""

from flags import FLAGS, SWITCH

from sf_actors import Refused, counterpart


def init_function(to_send):
    to_send("flags", {"flags": {f"flag-{n}": n % 2 == 0 for n in range(5_000)}})


def on_switch(args, to_send, states):
    if args["flag"] not in states["flags"]["flags"]:
        raise Refused(f"there is no {args['flag']}")
    to_send("flags", {"flags": {args["flag"]: args["is_on"]}})
    return {"on": sum(states["flags"]["flags"].values())}


state_models = {"out": {"flags": FLAGS}}
connection_models = {
    "in": {"switch": {**counterpart(SWITCH), "required_creation_arguments": {"on": on_switch}}}
}
