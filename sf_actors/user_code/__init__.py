"""User code and what it is given: its turn, its interrupts, `to_send` and `states`."""
