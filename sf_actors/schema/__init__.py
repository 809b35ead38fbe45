"""The fields of messages: types as a model declares them, and values held to these types.

`types` turns what a model declares into one typing expression, `check` holds values to it before
they are sent, `schema` does both for the fields of a message, `shape` says how such fields merge.
Pure: without threads, sockets or clocks.
"""
