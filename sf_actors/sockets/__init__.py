"""ZeroMQ sockets: contexts, options, addresses, keys, frames, and their peers."""
