"""gRPC: servicers convert, call the coordinator, and convert back. gRPC names stop here."""
