"""The fields of messages: declares their types, checks and decodes their values.

`types` turns a declaration into one typing expression, `check` checks values before they are sent,
`schema` does both for the fields of a message, `shape` describes how such fields merge.
Pure: without threads, sockets or clocks.
"""
