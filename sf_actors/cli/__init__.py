"""The command line: its arguments, and the exit status that each end becomes."""
