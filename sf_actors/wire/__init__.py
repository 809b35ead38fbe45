"""Bytes to typed messages and back: pure, without threads, sockets or clocks.

``types`` turns what a model declares into one typing expression, ``check`` holds values to it
before they are sent, ``schema`` does both for the fields of a message, ``shape`` says how such
fields merge, ``envelope`` and ``topic`` are what travels around them.
"""
