"""States: publishers of values, and the replicas that follow them."""
