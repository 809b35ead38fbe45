"""Runs user code: its lock, interrupts and contexts, and the `to_send` and `states` it gets."""
