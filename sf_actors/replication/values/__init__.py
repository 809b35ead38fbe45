"""Immutable values: keeps, merges, packs and compares them."""
