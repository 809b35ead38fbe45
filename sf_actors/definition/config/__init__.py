"""Builds one flat config from file, command line and setup hook, and checks it against its model.

`model` has the given values and the declared types, `conversion` converts a value to its declared
type, `scalar_texts` reads the types that JSON lacks from text.
"""
