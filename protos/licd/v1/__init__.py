"""The gRPC contract: package licd.v1 (generated stubs are committed beside the .proto files)."""
