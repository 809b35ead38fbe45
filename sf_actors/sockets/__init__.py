"""ZeroMQ's sockets: contexts, options, addresses, keys, frames, and who is at the other end."""
