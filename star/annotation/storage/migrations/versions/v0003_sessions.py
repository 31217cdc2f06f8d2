"""Migration 3: tables of sessions and attempts. It drops the key that signed cookies, which ends all sessions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("mode", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ends_at", sa.Float(), nullable=False),
        sa.CheckConstraint("mode IN ('open', 'auth')", name=op.f("ck_sessions_mode")),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name=op.f("fk_sessions_annotator_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_sessions_hash")),
    )
    op.create_index(op.f("ix_sessions_annotator_id"), "sessions", ["annotator_id"])
    op.create_table(
        "attempts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", "address", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_at"), "attempts", ["at"])
    op.drop_table("secrets")
    for column in ("session_version", "failed_logins", "locked_until"):
        op.drop_column("annotators", column)


def downgrade() -> None:
    for column in ("session_version", "failed_logins"):
        first = "1" if column == "session_version" else "0"
        op.add_column("annotators", sa.Column(column, sa.Integer(), nullable=False, server_default=first))
    op.add_column("annotators", sa.Column("locked_until", sa.Float(), nullable=True))
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.drop_index(op.f("ix_attempts_at"), table_name="attempts")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_sessions_annotator_id"), table_name="sessions")
    op.drop_table("sessions")
