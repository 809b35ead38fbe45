"""Immutable values: how they are kept, merged, packed and compared."""
