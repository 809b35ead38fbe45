"""Turns a service file into what a run needs: config, addresses, models and functions.

`service_file` puts it together: it executes the file (`source`), binds the functions to the
arguments that they can take (`hooks`, `signature`), and reads the models (`models`, with
`model_types`, `creation`, `fields`, `target`).
"""
