"""Alembic's migrations; `database.open_database` runs them."""
