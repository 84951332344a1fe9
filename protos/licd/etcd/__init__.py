"""The part of etcd's API that licd speaks."""
