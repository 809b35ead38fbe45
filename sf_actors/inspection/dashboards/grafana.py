"""The dashboard for Grafana, as its own JSON model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_SELECTOR: Final = 'service=~"$service"'
_MODEL: Final = f'{_SELECTOR}, model!=""'
_BY: Final = "service, side, model"
_WIDTH, _HEIGHT = 12, 8


@dataclass(frozen=True, slots=True)
class _Panel:
    """A panel: its title, unit, and queries with their legends."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]


def _rate(name: str, by: str = _BY) -> str:
    return f"sum by ({by}) (rate(sf_actors_{name}_total{{{_MODEL}}}[$__rate_interval]))"


def _quantile(share: float) -> str:
    series = f"sf_actors_handler_seconds_bucket{{{_MODEL}}}[$__rate_interval]"
    return f"histogram_quantile({share}, sum by ({_BY}, le) (rate({series})))"


_LEGEND: Final = "{{service}}/{{model}}"
_PANELS: Final = (
    _Panel("Received", "ops", ((_rate("received"), f"{_LEGEND} {{{{side}}}}"),)),
    _Panel("Sent", "ops", ((_rate("sent"), f"{_LEGEND} {{{{side}}}}"),)),
    _Panel(
        "Handlers by outcome",
        "ops",
        ((_rate("handled", f"{_BY}, outcome"), f"{_LEGEND} {{{{outcome}}}}"),),
    ),
    _Panel(
        "Handler durations",
        "s",
        ((_quantile(0.5), f"{_LEGEND} p50"), (_quantile(0.99), f"{_LEGEND} p99")),
    ),
    _Panel("Waiting calls", "short", ((f"sf_actors_queued{{{_MODEL}}}", _LEGEND),)),
    _Panel("Calls under way", "short", ((f"sf_actors_in_flight{{{_MODEL}}}", _LEGEND),)),
    _Panel(
        "Dropped and missed",
        "ops",
        (
            (_rate("dropped", f"{_BY}, reason"), f"{_LEGEND} {{{{reason}}}}"),
            (_rate("missed"), f"{_LEGEND} missed"),
        ),
    ),
    _Panel(
        "Timeouts and retries",
        "ops",
        ((_rate("timeouts"), f"{_LEGEND} timeouts"), (_rate("retries"), f"{_LEGEND} retries")),
    ),
    _Panel(
        "Replicas that are not live",
        "short",
        ((f'1 - sf_actors_state_phase{{{_MODEL}, phase="LIVE"}}', _LEGEND),),
    ),
    _Panel(
        "Age and gaps of replicas",
        "s",
        (
            (f"sf_actors_state_age_seconds{{{_MODEL}}}", f"{_LEGEND} age"),
            (_rate("state_gaps"), f"{_LEGEND} gaps"),
        ),
    ),
    _Panel("Peers", "short", ((f"sf_actors_peers{{{_MODEL}}}", _LEGEND),)),
    _Panel("Restarts of actors", "ops", ((_rate("restarts"), _LEGEND),)),
)


def dashboard() -> dict[str, Any]:
    """Return the dashboard; its data source and services are chosen in Grafana."""
    return {
        "uid": "sf-actors",
        "title": "sf_actors",
        "tags": ["sf_actors"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_datasource_variable(), _service_variable()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(_PANELS)],
    }


def _panel(number: int, panel: _Panel) -> dict[str, Any]:
    row, column = divmod(number, 2)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(panel.queries)
        ],
    }


def _datasource_variable() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}


def _service_variable() -> dict[str, Any]:
    return {
        "name": "service",
        "type": "query",
        "label": "Service",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": "label_values(sf_actors_info, service)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }
