"""What serves the models of connections: replyers, requesters, publishers, subscribers, targets."""
