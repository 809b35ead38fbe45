"""The dashboard: shows which instruments speak, and which have fallen silent."""

from readings import LATEST

from sf_actors import counterpart

shown = {}


def on_latest(states):
    for name, latest in states["latest"]["instruments"].items():
        if shown.get(name) != latest["is_silent"]:
            shown[name] = latest["is_silent"]
            print(name, "is silent" if latest["is_silent"] else "speaks")


state_models = {
    "in": {"latest": {**counterpart(LATEST), "required_creation_arguments": {"on": on_latest}}}
}
