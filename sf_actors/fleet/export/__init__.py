"""Writes a fleet as files for an engine that exists: systemd's units, Kubernetes' manifests."""
