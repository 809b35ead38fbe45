"""Messages on the wire: their envelope and topic, as bytes of MessagePack.

Pure: without threads, sockets or clocks. The fields in an envelope are those of `schema`.
"""
