"""People, campaigns, records, answers and events as SQLAlchemy tables of the annotation database.

Times are seconds since 1970, UTC, as floats: the same on SQLite and PostgreSQL. Rows of `rubrics`, `campaigns`, `records`,
`golds`, `adjudications` and `events` never change and never go; of `responses` only the next revision is let in; people
are never deleted. Triggers hold all of that (migrations/versions/v0002_append_only.py). Leases, sessions and attempts come
and go.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Role = Literal["annotator", "adjudicator", "lead"]
Kind = Literal["single", "pair"]
State = Literal["pending", "draft", "submitted", "skipped"]
Choice = Literal["left", "right", "tie"]
Mode = Literal["open", "auth"]


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it once
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        float: Float(),
        str: Text(),
    }


class Annotator(Base):
    """A person. Events and exports hold the pseudonym alone; withdrawing takes the name away."""

    __tablename__ = "annotators"
    __table_args__ = (CheckConstraint("role IN ('annotator', 'adjudicator', 'lead')", name="role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    """`text.name_key` of the name: names that look alike count as one."""
    pseudonym: Mapped[str] = mapped_column(String(32), unique=True)
    role: Mapped[Role] = mapped_column(String(16))
    password_hash: Mapped[str | None]
    """argon2; None for a name that is entered without a password."""
    created_at: Mapped[float]
    withdrawn_at: Mapped[float | None]


class Rubric(Base):
    """One version of a rubric, as `rubric.Rubric` reads it."""

    __tablename__ = "rubrics"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class Campaign(Base):
    """What is rated, by how many, by which rubric."""

    __tablename__ = "campaigns"
    __table_args__ = (
        CheckConstraint("kind IN ('single', 'pair')", name="kind"),
        CheckConstraint("overlap >= 1", name="overlap"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[Kind] = mapped_column(String(16))
    dataset: Mapped[str]
    systems: Mapped[list[Any]]
    """[{"name", "checkpoint", "hash"}]."""
    overlap: Mapped[int]
    """Ratings wanted per record that is not gold."""
    gold_share: Mapped[float]
    threshold: Mapped[float]
    """A record whose disagreement (`disagreement.disagreement`) is above it is adjudicated."""
    seed: Mapped[int]
    rubric_id: Mapped[int] = mapped_column(ForeignKey("rubrics.id"))
    created_at: Mapped[float]


class Record(Base):
    """What is judged: one run, or two side by side, frozen."""

    __tablename__ = "records"
    __table_args__ = (UniqueConstraint("campaign_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    position: Mapped[int]
    systems: Mapped[list[Any]]
    """Names of the systems that wrote `runs`, in the same order; annotators never see them."""
    runs: Mapped[list[Any]]
    """Documents of `star recommend --json`: one, or [left, right] with sides drawn by the campaign's seed."""
    checksum: Mapped[str] = mapped_column(String(64))
    """SHA-256 of `runs` as canonical JSON."""
    scenario: Mapped[str | None]
    difficulty: Mapped[str | None]


class Gold(Base):
    """The known answer to a record. The newest row holds; a record with one is a gold item."""

    __tablename__ = "golds"

    id: Mapped[int] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("records.id"), index=True)
    ratings: Mapped[dict[str, Any]]
    """Criterion → 1 to 5; criteria that are not in it are not checked."""
    choice: Mapped[Choice | None] = mapped_column(String(8))
    created_at: Mapped[float]


class Response(Base):
    """What one person says of one record: the answer that counts, and a draft on top of it."""

    __tablename__ = "responses"
    __table_args__ = (
        UniqueConstraint("record_id", "annotator_id", "rubric_id"),
        CheckConstraint("state IN ('pending', 'draft', 'submitted', 'skipped')", name="state"),
        Index(None, "annotator_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("records.id"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"))
    rubric_id: Mapped[int] = mapped_column(ForeignKey("rubrics.id"))
    state: Mapped[State] = mapped_column(String(16))
    revision: Mapped[int]
    """0 when assigned, one more with every save."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the last save, so that the same save sent again is known."""
    answer: Mapped[dict[str, Any] | None]
    """`answers.Answer` as submitted or skipped; None before."""
    draft: Mapped[dict[str, Any] | None]
    """The answer being written, also over a submitted one; None once submitted or skipped."""
    created_at: Mapped[float]
    updated_at: Mapped[float]
    answered_at: Mapped[float | None]
    """When first submitted or skipped."""


class Lease(Base):
    """A place at a record, held until it expires, the record is answered, or the person leaves."""

    __tablename__ = "leases"

    record_id: Mapped[int] = mapped_column(ForeignKey("records.id"), primary_key=True)
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"), primary_key=True, index=True)
    expires_at: Mapped[float]


class Adjudication(Base):
    """A decision on a record over which annotators disagree. A later one has the next number; the last one holds."""

    __tablename__ = "adjudications"
    __table_args__ = (UniqueConstraint("record_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("records.id"))
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"))
    number: Mapped[int]
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class Event(Base):
    """One change, written in the transaction that made it. No foreign keys and no names: it outlives what it tells of."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "uuid", "revision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(32))
    pseudonym: Mapped[str | None] = mapped_column(String(32))
    """Who did it."""
    campaign_id: Mapped[int | None] = mapped_column(index=True)
    record_id: Mapped[int | None]
    uuid: Mapped[str | None] = mapped_column(String(36))
    """Of the response or adjudication."""
    revision: Mapped[int | None]
    content: Mapped[dict[str, Any]]
    """Everything that was written."""


class SignedIn(Base):
    """A session of a person. The token is in their browser alone: whoever reads this table can sign in as nobody."""

    __tablename__ = "sessions"
    __table_args__ = (CheckConstraint("mode IN ('open', 'auth')", name="mode"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the token, hexadecimal."""
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"), index=True)
    mode: Mapped[Mode] = mapped_column(String(8))
    """How it was begun: by name alone on one machine, or with a password. It counts there only."""
    created_at: Mapped[float]
    ends_at: Mapped[float]


class Attempt(Base):
    """Failed sign-ins of late, by name and address as `attempts` counts them. Few rows, which go after a while."""

    __tablename__ = "attempts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the name as `text.name_key` makes it, whether anybody has it or not; empty: all names."""
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Where they came from; empty: all addresses."""
    failures: Mapped[int]
    at: Mapped[float] = mapped_column(index=True)
    """Of the last one."""
