"""The leader daemon and its command line."""
