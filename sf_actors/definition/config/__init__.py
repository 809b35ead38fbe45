"""From a file, the command line and the setup hook to one flat config, checked against its model.

`model` holds what was given and what is expected, `conversion` reads a value as its declared type,
`scalar_texts` reads the types that JSON lacks from text.
"""
