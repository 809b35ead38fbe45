"""The verbs of the shell as a table: what each one does, and the module that implements it.

A module has a function ``run(argv) -> int``: it gets the arguments after the verb and returns the
exit status. It is imported only when its verb is used.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """One verb.

    :ivar name: what is typed
    :ivar module: the module with its `run`; empty for the verbs of `sf_actors.cli.command`
    :ivar usage: what follows the name
    :ivar explain: what it does, in a few words
    """

    name: str
    module: str
    usage: str
    explain: str


def _verb(name: str, usage: str, explain: str) -> Verb:
    return Verb(name, f"sf_actors.cli.verbs.{name}", usage, explain)


VERBS: Final = (
    _verb("up", "[SERVICE…]", "run the fleet of fleet.toml on this machine"),
    _verb("down", "", "stop the fleet that runs"),
    _verb(
        "restart", "[--rolling] [SERVICE…]", "read the fleet file again, and run its services again"
    ),
    _verb("scale", "SERVICE N", "change the number of instances of a service of a fleet"),
    _verb("logs", "[-f] [SERVICE…]", "the log lines of a fleet, merged by time"),
    _verb("ps", "[NAME…]", "the services that run on this machine"),
    _verb("top", "", "the same with more figures, live"),
    _verb("stats", "SERVICE [-w]", "the numbers of a service"),
    _verb("info", "SERVICE[/MODEL]", "its models, addresses and versions; a call as an example"),
    _verb("call", "TARGET [key=value …]", "call a replyer"),
    _verb("publish", "TARGET [key=value …]", "send a message to a subscriber"),
    _verb("watch", "TARGET", "the messages of a model, live"),
    _verb("loglevel", "SERVICE [LEVEL]", "show or set its log levels"),
    _verb("stop", "SERVICE", "stop it gracefully and wait until it is gone"),
    _verb("wait", "SERVICE [--for ready]", "wait until it is ready, or its states are live"),
    _verb("health", "SERVICE", "0 if it is ready and no handler is stuck"),
    _verb("trace", "WORKFLOW_ID", "the log lines of one request, of all services here"),
    _verb("graph", "[FLEET or svc.py …]", "services and their connections, as text or a picture"),
    _verb("web", "[--http HOST:PORT]", "a page with the live graph of what runs here"),
    _verb("schema", "svc.py …", "services as AsyncAPI; changes that break peers"),
    _verb("check", "[--fleet FILE]", "find errors in a fleet before it is started"),
    _verb("plan", "[--fleet FILE]", "services, instances, links and addresses of a fleet"),
    _verb("export", "kubernetes|systemd -o DIR", "a fleet as files for another engine"),
    _verb("new", "NAME", "write a first service and its test"),
    _verb("bus", "--xsub ADDRESS --xpub ADDRESS", "join publishers and subscribers"),
    _verb("dashboards", "-o DIR", "dashboard and alerts for Grafana and Prometheus"),
    _verb("keys", "new NAME | fleet", "write a pair of CURVE keys, or those of a fleet"),
    Verb("demo", "", "", "a small market, to look at"),
)

BY_NAME: Final = {verb.name: verb for verb in VERBS}


def listed() -> str:
    """Return a text with one line for each verb."""
    heads = {verb: f"{verb.name} {verb.usage}".rstrip() for verb in VERBS}
    width = max(map(len, heads.values()))
    return "".join(f"  {head.ljust(width)}  {verb.explain}\n" for verb, head in heads.items())
