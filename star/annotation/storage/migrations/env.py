"""Entry point of alembic: runs the migrations on the connection that `migrate` passes, in its transaction."""

from __future__ import annotations

from alembic import context

from star.annotation.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite too: database.py keeps the driver from committing by itself
)
with context.begin_transaction():
    context.run_migrations()
