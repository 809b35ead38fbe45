"""Writes a fleet as files for another engine: units for systemd, manifests for Kubernetes."""
