"""Migration 1: people, rubrics, campaigns, records, answers and events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "annotators",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("pseudonym", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("failed_logins", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.Float(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("withdrawn_at", sa.Float(), nullable=True),
        sa.CheckConstraint("role IN ('annotator', 'adjudicator', 'lead')", name=op.f("ck_annotators_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotators")),
        sa.UniqueConstraint("key", name=op.f("uq_annotators_key")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_annotators_pseudonym")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("pseudonym", sa.String(length=32), nullable=True),
        sa.Column("campaign_id", sa.Integer(), nullable=True),
        sa.Column("record_id", sa.Integer(), nullable=True),
        sa.Column("uuid", sa.String(length=36), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index(op.f("ix_events_campaign_id"), "events", ["campaign_id"])
    op.create_index(op.f("ix_events_uuid_revision"), "events", ["uuid", "revision"])
    op.create_table(
        "rubrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rubrics")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_rubrics_name_version")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("dataset", sa.Text(), nullable=False),
        sa.Column("systems", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("overlap", sa.Integer(), nullable=False),
        sa.Column("gold_share", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("rubric_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.CheckConstraint("kind IN ('single', 'pair')", name=op.f("ck_campaigns_kind")),
        sa.CheckConstraint("overlap >= 1", name=op.f("ck_campaigns_overlap")),
        sa.ForeignKeyConstraint(["rubric_id"], ["rubrics.id"], name=op.f("fk_campaigns_rubric_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("key", name=op.f("uq_campaigns_key")),
    )
    op.create_table(
        "records",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("systems", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("runs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=True),
        sa.Column("difficulty", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_records_campaign_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
        sa.UniqueConstraint("campaign_id", "position", name=op.f("uq_records_campaign_id_position")),
    )
    op.create_table(
        "adjudications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotators.id"], name=op.f("fk_adjudications_annotator_id")
        ),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_adjudications_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudications")),
        sa.UniqueConstraint("record_id", "number", name=op.f("uq_adjudications_record_id_number")),
        sa.UniqueConstraint("uuid", name=op.f("uq_adjudications_uuid")),
    )
    op.create_table(
        "golds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("ratings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("choice", sa.String(length=8), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_golds_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_golds")),
    )
    op.create_index(op.f("ix_golds_record_id"), "golds", ["record_id"])
    op.create_table(
        "leases",
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name=op.f("fk_leases_annotator_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_leases_record_id")),
        sa.PrimaryKeyConstraint("record_id", "annotator_id", name=op.f("pk_leases")),
    )
    op.create_index(op.f("ix_leases_annotator_id"), "leases", ["annotator_id"])
    op.create_table(
        "responses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("record_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("rubric_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("draft", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("answered_at", sa.Float(), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'draft', 'submitted', 'skipped')", name=op.f("ck_responses_state")
        ),
        sa.ForeignKeyConstraint(["annotator_id"], ["annotators.id"], name=op.f("fk_responses_annotator_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_responses_record_id")),
        sa.ForeignKeyConstraint(["rubric_id"], ["rubrics.id"], name=op.f("fk_responses_rubric_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
        sa.UniqueConstraint(
            "record_id",
            "annotator_id",
            "rubric_id",
            name=op.f("uq_responses_record_id_annotator_id_rubric_id"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_responses_uuid")),
    )
    op.create_index(op.f("ix_responses_annotator_id_state"), "responses", ["annotator_id", "state"])


def downgrade() -> None:
    op.drop_index(op.f("ix_responses_annotator_id_state"), table_name="responses")
    op.drop_table("responses")
    op.drop_index(op.f("ix_leases_annotator_id"), table_name="leases")
    op.drop_table("leases")
    op.drop_index(op.f("ix_golds_record_id"), table_name="golds")
    op.drop_table("golds")
    op.drop_table("adjudications")
    op.drop_table("records")
    op.drop_table("campaigns")
    op.drop_table("secrets")
    op.drop_table("rubrics")
    op.drop_index(op.f("ix_events_uuid_revision"), table_name="events")
    op.drop_index(op.f("ix_events_campaign_id"), table_name="events")
    op.drop_table("events")
    op.drop_table("annotators")
