"""The checks of `check`, one module for each kind of finding."""
