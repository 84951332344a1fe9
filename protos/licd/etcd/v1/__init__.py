"""The part of etcd's API that licd speaks: package licd.etcd.v1 (committed stubs)."""
