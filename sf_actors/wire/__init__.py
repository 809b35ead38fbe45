"""Messages on the wire: their envelopes and topics, as MessagePack.

Pure: without threads, sockets or clocks. `schema` handles the fields in an envelope.
"""
