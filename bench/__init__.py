"""Benchmarks: licd beside bare grpcio and etcd, on one machine in one run. `make bench`; docs/performance.md."""
