"""One module a verb; each has `run(argv)`, which returns the exit status (`cli/verb_table.py`)."""
