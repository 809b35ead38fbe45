"""Synchronisation of threads: an event, a latch, times."""
