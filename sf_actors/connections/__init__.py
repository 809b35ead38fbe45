"""The connections: replyers, subscribers, timers, requesters, publishers, external targets."""
