"""Migration 4: tables of the page's runs and of the votes between them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("checkpoint", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("key", name=op.f("uq_runs_key")),
    )
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("left_run", sa.String(length=32), nullable=False),
        sa.Column("right_run", sa.String(length=32), nullable=False),
        sa.Column("choice", sa.String(length=8), nullable=False),
        sa.Column("visitor", sa.String(length=32), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("choice IN ('left', 'right', 'tie')", name=op.f("ck_votes_choice")),
        sa.ForeignKeyConstraint(["left_run"], ["runs.key"], name=op.f("fk_votes_left_run")),
        sa.ForeignKeyConstraint(["right_run"], ["runs.key"], name=op.f("fk_votes_right_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_votes")),
    )
    for column in ("left_run", "right_run"):
        op.create_index(op.f(f"ix_votes_{column}"), "votes", [column])


def downgrade() -> None:
    for column in ("left_run", "right_run"):
        op.drop_index(op.f(f"ix_votes_{column}"), table_name="votes")
    op.drop_table("votes")
    op.drop_table("runs")
