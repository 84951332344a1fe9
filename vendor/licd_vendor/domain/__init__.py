"""The vendor's rules (R24 to R30), pure: no I/O, no clock, no SQL, no web."""
