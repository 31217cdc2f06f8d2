"""Settings: one class, read from the environment (`STAR_…`) and overridden by command-line options."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """How the page is served, and which cluster shares the work of other commands."""

    model_config = SettingsConfigDict(env_prefix="STAR_", extra="ignore")

    dataset: str = "demo"
    """Name of the data set: `demo` or an imported one."""
    datasets: str = ""
    """Names of data sets to choose from on the page, separated by commas; `dataset`, or else the first, is shown first."""
    model: str | None = None
    """Folder of a checkpoint, or a name under `assets/models`, or `mars` for the teacher; None takes the one named like the
    data set, and the teacher where there is none."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 7860
    """First port to try; the next free one within 20 is taken."""
    auth: bool = False
    """People sign in with accounts. Without, annotating is for people at this machine."""
    allowed_hosts: str = ""
    """Names that visitors reach this server by, separated by commas; needed where the page is neither opened at its
    address nor under accounts."""
    uploads: bool = False
    """A person at this machine may open a CSV of their own on the page; refused where others can reach it."""
    proxy: str | None = None
    """Addresses or networks of proxies in front, separated by commas: only they are believed about callers' addresses."""
    database_url: str | None = None
    """Where ratings and answers are kept: `sqlite:///FILE` or `postgresql://USER@HOST/NAME`; None is
    `data/annotations.sqlite`."""
    runs_kept: int = Field(default=5_000, ge=0)
    """Answers of the page that the database keeps; the oldest are dropped. 0 keeps them in memory alone."""
    ray_address: str | None = Field(default=None, validation_alias="RAY_ADDRESS")
    """Ray cluster that shares the work of evaluation, trajectories and tuning; by Ray's own name."""

    @property
    def served(self) -> tuple[str, ...]:
        """Names of the data sets that the page offers, the one that it shows first in front."""
        listed = [name.strip() for name in self.datasets.split(",") if name.strip()]
        first = [self.dataset] if "dataset" in self.model_fields_set or not listed else []
        return tuple(dict.fromkeys([*first, *listed]))
