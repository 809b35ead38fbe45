"""What threads wait for: an event, a latch."""
