"""The measured service files, written as a user would write them."""
