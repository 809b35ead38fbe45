"""Turns a service file into the config, addresses, models and functions of a run.

`service_file` does the whole: it executes the file (`source`), binds the functions to the arguments
that they take (`hooks`, `signature`), and reads the models (`models`, with `model_types`,
`creation`, `fields`, `target`).
"""
