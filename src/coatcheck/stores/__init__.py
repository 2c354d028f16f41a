"""The authorities that keep sessions; each database has a folder of its own."""
