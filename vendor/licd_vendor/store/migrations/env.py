"""Alembic's entry: it runs inside the transaction that `database.open_database` has begun."""

from alembic import context

from licd_vendor.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
