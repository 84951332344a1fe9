"""A whole licd on one machine, of real parts in processes of their own: for `licd demo` and `make run`."""
