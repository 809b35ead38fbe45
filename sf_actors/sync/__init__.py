"""Synchronisation of threads: events, a latch, a wake-up, forks, durations."""
