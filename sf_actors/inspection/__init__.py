"""Looking at what runs, and at what would: inspector, HTTP, schemas and graphs."""
