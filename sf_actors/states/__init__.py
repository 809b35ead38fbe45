"""What serves the models of states: publishers of values and their replicas."""
