"""Values that never change: how they are kept, merged, packed, compared."""
