"""etcd, as the journal and leadership use it: a port in plain values, and its client over gRPC."""
