"""The journal in one SQLite file, on a thread of its own."""
