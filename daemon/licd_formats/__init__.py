"""Container.lic and the sealed challenge: strict bytes to values and back, shared by the daemon and the vendor."""
