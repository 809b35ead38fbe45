"""A run from its start to its end: loading, starting, supervising, stopping."""
