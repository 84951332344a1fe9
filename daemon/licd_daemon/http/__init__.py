"""HTTP: the console (a web page) and the ops port (probes, metrics). Both call the same coordinator as rpc/ does."""
