"""A dashboard for Grafana and alerts for Prometheus, for the metrics of `--http`."""
