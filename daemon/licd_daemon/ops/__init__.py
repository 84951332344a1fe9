"""The ops port: probes and metrics."""
