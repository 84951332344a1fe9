"""What daemon and vendor share and that knows nothing of licenses: clocks, files, logs, addresses, limits."""
