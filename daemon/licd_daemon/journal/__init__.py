"""The journal: the single source of truth, behind one port with several backends."""
