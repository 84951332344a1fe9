"""Real parts for tests: a vendor's keys, a daemon in a process of its own, raw gRPC peers."""
