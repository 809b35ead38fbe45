"""What travels: the envelope of a message and its topic, as bytes of MessagePack.

Pure: without threads, sockets or clocks. The fields in an envelope are those of `schema`.
"""
