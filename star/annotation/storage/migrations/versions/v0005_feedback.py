"""Migration 5: the table of what visitors agreed to have kept of their feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("consent", sa.String(length=64), nullable=False),
        sa.Column("run", sa.String(length=32), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("said", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("said IN ('read', 'no', 'more')", name=op.f("ck_feedback_said")),
        sa.ForeignKeyConstraint(["run"], ["runs.key"], name=op.f("fk_feedback_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("consent", "run", "item", name=op.f("uq_feedback_consent_run_item")),
    )
    op.create_index(op.f("ix_feedback_run"), "feedback", ["run"])


def downgrade() -> None:
    op.drop_index(op.f("ix_feedback_run"), table_name="feedback")
    op.drop_table("feedback")
