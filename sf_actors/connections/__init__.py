"""The connections: replyers, requesters, publishers, subscribers, external targets."""
