"""The command line: its arguments and its exit status."""
