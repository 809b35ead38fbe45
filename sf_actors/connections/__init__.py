"""Connections: replyers, subscribers, timers, requesters, publishers, external targets."""
