"""A dashboard for Grafana and alerts for Prometheus, of the metrics that `--http` tells."""
