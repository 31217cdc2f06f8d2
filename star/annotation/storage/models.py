"""People, campaigns, records, answers and events, and the page's runs, votes and feedback, as tables of one database.

Times are seconds since 1970, UTC, as floats on SQLite and PostgreSQL. Rows of `rubrics`, `campaigns`, `records`, `golds`,
`adjudications` and `events` are never changed or deleted. A row of `responses` changes only to its next revision. People
are never deleted. Triggers enforce this (migrations/versions/v0002_append_only.py). Leases, sessions and attempts are
temporary. Of `runs`, `votes` and `feedback` the oldest are dropped, and a visitor may delete their own feedback.
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
    """A person. Events and exports hold only the pseudonym; withdrawing erases the name."""

    __tablename__ = "annotators"
    __table_args__ = (CheckConstraint("role IN ('annotator', 'adjudicator', 'lead')", name="role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    """`text.name_key` of the name: look-alike names count as the same."""
    pseudonym: Mapped[str] = mapped_column(String(32), unique=True)
    role: Mapped[Role] = mapped_column(String(16))
    password_hash: Mapped[str | None]
    """argon2; None for a person without a password."""
    created_at: Mapped[float]
    withdrawn_at: Mapped[float | None]


class RubricVersion(Base):
    """One published version of a `rubric.Rubric`."""

    __tablename__ = "rubrics"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    document: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class Campaign(Base):
    """What is rated, by how many annotators, by which rubric."""

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
    """Ratings wanted per ordinary record."""
    gold_share: Mapped[float]
    threshold: Mapped[float]
    """Records with more disagreement (`disagreement.disagreement`) are adjudicated."""
    seed: Mapped[int]
    rubric_id: Mapped[int] = mapped_column(ForeignKey("rubrics.id"))
    created_at: Mapped[float]


class Record(Base):
    """The frozen unit of annotation: one run, or two side by side."""

    __tablename__ = "records"
    __table_args__ = (UniqueConstraint("campaign_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    position: Mapped[int]
    systems: Mapped[list[Any]]
    """Names of the systems that made `runs`, in the same order; annotators never see them."""
    runs: Mapped[list[Any]]
    """Documents of `star recommend --json`: one, or [left, right] with sides drawn by the campaign's seed."""
    checksum: Mapped[str] = mapped_column(String(64))
    """SHA-256 of `runs` as canonical JSON."""
    scenario: Mapped[str | None]
    difficulty: Mapped[str | None]


class Gold(Base):
    """The gold answer to a record, which makes the record a gold item. The newest row counts."""

    __tablename__ = "golds"

    id: Mapped[int] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(ForeignKey("records.id"), index=True)
    ratings: Mapped[dict[str, Any]]
    """Criterion → 1 to 5; other criteria are not checked."""
    choice: Mapped[Choice | None] = mapped_column(String(8))
    created_at: Mapped[float]


class Response(Base):
    """One person's answer to one record: the answer that counts, and a draft that may replace it."""

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
    """0 when assigned, plus one with every save."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the last save, to recognise a repeated one."""
    answer: Mapped[dict[str, Any] | None]
    """`answers.Answer` as submitted or skipped; None before."""
    draft: Mapped[dict[str, Any] | None]
    """The unfinished answer, also to replace a submitted one; None once submitted or skipped."""
    created_at: Mapped[float]
    updated_at: Mapped[float]
    answered_at: Mapped[float | None]
    """When first submitted or skipped."""


class Lease(Base):
    """A reserved place at a record, until it expires, the record is answered, or the person is withdrawn."""

    __tablename__ = "leases"

    record_id: Mapped[int] = mapped_column(ForeignKey("records.id"), primary_key=True)
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"), primary_key=True, index=True)
    expires_at: Mapped[float]


class Adjudication(Base):
    """A decision on a record on which annotators disagree. Decisions are numbered; the last one counts."""

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
    """One change, written in its transaction. Without foreign keys and names, so that it outlives the rows it mentions."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "uuid", "revision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(32))
    pseudonym: Mapped[str | None] = mapped_column(String(32))
    """Who made the change."""
    campaign_id: Mapped[int | None] = mapped_column(index=True)
    record_id: Mapped[int | None]
    uuid: Mapped[str | None] = mapped_column(String(36))
    """Of the response or adjudication."""
    revision: Mapped[int | None]
    content: Mapped[dict[str, Any]]
    """The values written."""


class SignedIn(Base):
    """A session of a person. Only their browser has the token, so this table lets its reader sign in as nobody."""

    __tablename__ = "sessions"
    __table_args__ = (CheckConstraint("mode IN ('open', 'auth')", name="mode"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the token, hexadecimal."""
    annotator_id: Mapped[int] = mapped_column(ForeignKey("annotators.id"), index=True)
    mode: Mapped[Mode] = mapped_column(String(8))
    """How the session began: `open` by name on one machine, `auth` with a password. It is valid only in this mode."""
    created_at: Mapped[float]
    ends_at: Mapped[float]


class Attempt(Base):
    """Recent failed sign-ins by name and address, as `attempts` counts them. Old rows are deleted."""

    __tablename__ = "attempts"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the name's `text.name_key`, also for unknown names; empty for all names."""
    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Address of the sign-in; empty for all addresses."""
    failures: Mapped[int]
    at: Mapped[float] = mapped_column(index=True)
    """Time of the last failure."""


class Run(Base):
    """A finished answer of the page, found only by its key, which only its visitor is told."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    """128 random bits, hexadecimal."""
    dataset: Mapped[str]
    checkpoint: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64))
    """Of the checkpoint's weights; empty for the teacher, which has none."""
    document: Mapped[str]
    """`frozen.kept_document` as compressed JSON (`storage/runs.packed`)."""
    created_at: Mapped[float]


class Vote(Base):
    """A visitor's choice between two runs whose systems were hidden. Runs that it names are not dropped."""

    __tablename__ = "votes"
    __table_args__ = (CheckConstraint("choice IN ('left', 'right', 'tie')", name="choice"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    dataset: Mapped[str]
    left_run: Mapped[str] = mapped_column(ForeignKey("runs.key"), index=True)
    right_run: Mapped[str] = mapped_column(ForeignKey("runs.key"), index=True)
    choice: Mapped[Choice] = mapped_column(String(8))
    visitor: Mapped[str] = mapped_column(String(32))
    """A pseudonym of one open page; it names nobody."""
    seconds: Mapped[float]
    """From the showing of both lists to the vote."""
    created_at: Mapped[float]


class Feedback(Base):
    """What a visitor who agreed said of a recommended item. Runs that it names are not dropped."""

    __tablename__ = "feedback"
    __table_args__ = (
        UniqueConstraint("consent", "run", "item"),
        CheckConstraint("said IN ('read', 'no', 'more')", name="said"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    consent: Mapped[str] = mapped_column(String(64))
    """SHA-256 of a random token that only the visitor's browser has; it serves to delete what was kept."""
    run: Mapped[str] = mapped_column(ForeignKey("runs.key"), index=True)
    item: Mapped[str]
    """Id in the data set of the run."""
    said: Mapped[Literal["read", "no", "more"]] = mapped_column(String(8))
    created_at: Mapped[float]
