"""`licd serve`: from options to a running daemon, and back down."""
