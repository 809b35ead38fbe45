"""The fields of messages: declared types, and checks of values against them.

`types` turns a declaration into one typing expression, `check` checks values before they are sent,
`schema` does both for the fields of a message, `shape` describes how such fields merge.
Pure: without threads, sockets or clocks.
"""
