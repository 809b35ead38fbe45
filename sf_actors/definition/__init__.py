"""From a service file to what a run needs to know: its config, addresses, models and functions.

`service_file` puts it together: it has the file executed (`source`), its functions bound to what
they can be called with (`hooks`, `signature`), and its models read (`models`, and there
`model_types`, `creation`, `fields`, `target`).
"""
