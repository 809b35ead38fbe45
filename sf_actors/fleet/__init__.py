"""Many services from one file: what they are, what joins them, and what runs them."""
