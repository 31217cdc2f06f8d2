"""Alembic migrations of the annotation database."""
