"""The service files that are measured: plain ones, as a user would write them."""
