"""The command line: running one service, and the verbs of the shell."""
