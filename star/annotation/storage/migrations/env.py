"""What alembic runs: the migrations, on the connection and in the transaction that `migrate` hands over."""

from __future__ import annotations

from alembic import context

from star.annotation.storage.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,  # SQLite too: the driver no longer commits behind our back (database.py)
)
with context.begin_transaction():
    context.run_migrations()
