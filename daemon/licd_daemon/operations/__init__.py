"""Use cases without a transport: what gRPC and the console both do, in plain values."""
