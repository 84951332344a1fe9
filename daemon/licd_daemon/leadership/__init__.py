"""Who leads: behind one port with several backends."""
