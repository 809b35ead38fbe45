"""User code and what it is given: its lock, its interrupts, `to_send` and `states`."""
