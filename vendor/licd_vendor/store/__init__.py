"""The vendor's records in SQL: SQLite by default, ready for PostgreSQL (SQLAlchemy Core, alembic)."""
