"""One module for each verb, with `run(argv)`, which returns the exit status (see verb_table.py)."""
