"""ZeroMQ sockets: contexts, options, addresses, keys, frames and peers."""
