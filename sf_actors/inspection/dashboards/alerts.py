"""The alerts for Prometheus, as a file of rules."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

_QUANTILE: Final = (
    "histogram_quantile(0.99, sum by (instance, service, side, model, le) "
    "(rate(sf_actors_handler_seconds_bucket[5m]))) > 1"
)


@dataclass(frozen=True, slots=True)
class _Alert:
    """One alert.

    :ivar lasts: how long the condition must hold before the alert fires
    """

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str


_ALERTS: Final = (
    _Alert(
        "SfActorsReplicaNotLive",
        'sf_actors_state_phase{phase="LIVE"} == 0',
        "1m",
        "critical",
        "{{ $labels.service }}: the state {{ $labels.model }} is not live",
    ),
    _Alert(
        "SfActorsHandlersFail",
        'rate(sf_actors_handled_total{outcome="failed", model!=""}[5m]) > 0',
        "5m",
        "warning",
        "{{ $labels.service }}: the handler of {{ $labels.model }} raises",
    ),
    _Alert(
        "SfActorsHandlersSlow",
        _QUANTILE,
        "5m",
        "warning",
        "{{ $labels.service }}: one in a hundred calls of {{ $labels.model }} takes over a second",
    ),
    _Alert(
        "SfActorsMessagesDropped",
        "rate(sf_actors_dropped_total[5m]) > 0",
        "5m",
        "warning",
        "{{ $labels.service }}: {{ $labels.model }} drops messages: {{ $labels.reason }}",
    ),
    _Alert(
        "SfActorsMessagesMissed",
        "increase(sf_actors_missed_total[5m]) > 0",
        "0m",
        "warning",
        "{{ $labels.service }}: {{ $labels.model }} did not get all messages",
    ),
    _Alert(
        "SfActorsCallsTimeOut",
        "rate(sf_actors_timeouts_total[5m]) > 0",
        "5m",
        "warning",
        "{{ $labels.service }}: calls of {{ $labels.model }} get no reply in time",
    ),
    _Alert(
        "SfActorsCallsWait",
        'sf_actors_queued{model!=""} > 500',
        "2m",
        "warning",
        "{{ $labels.service }}: {{ $value }} calls of {{ $labels.model }} wait for a handler",
    ),
    _Alert(
        "SfActorsActorsRestart",
        "increase(sf_actors_restarts_total[15m]) > 0",
        "0m",
        "critical",
        "{{ $labels.service }}: an actor of {{ $labels.model }} died and was restarted",
    ),
)


def rules() -> str:
    """Return the content of a file for Prometheus' `rule_files`."""
    lines = ["groups:", "  - name: sf_actors", "    rules:"]
    for alert in _ALERTS:
        lines += [
            f"      - alert: {alert.name}",
            f"        expr: {_quoted(alert.expression)}",
            f"        for: {alert.lasts}",
            "        labels:",
            f"          severity: {alert.severity}",
            "        annotations:",
            f"          summary: {_quoted(alert.summary)}",
        ]
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """Return a text in double quotes for YAML, which accepts JSON's strings."""
    return json.dumps(text)
