"""Finished answers by their ids, and the current run of each visitor's tab.

An answer is found only by its random id, which only its visitor is told. Nothing lists the ids. With an archive the
answers are in the database, and the last ones in memory too; without one they are in memory alone.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from star.data.catalog import Catalog
from star.errors import UserError
from star.recommend.recommendation import Recommendation
from star.ui.archive import Archive, Changes, Heading

ID = re.compile("[0-9a-f]{32}")


class Kept(NamedTuple):
    """A finished answer, the catalogue of its item rows, when it was finished, in seconds since 1970, and what the visitor
    changed before it."""

    answer: Recommendation
    catalog: Catalog
    at: float
    changes: Changes = ()

    @property
    def changed(self) -> tuple[str, ...]:
        """The changes in words."""
        return tuple(str(each["words"]) for each in self.changes)

    @property
    def cut(self) -> bool:
        """Whether tools were silent or evidence was cut, so that the graph says something else."""
        return any(each["do"] not in ("take_off", "add") for each in self.changes)

    @property
    def whole(self) -> Recommendation:
        """The answer, for whoever counts again what it says.

        Raises:
            UserError: evidence was cut.
        """
        if self.cut:
            raise UserError("Evidence was cut before this answer. Question the answer before the cut instead.")
        return self.answer


class Runs:
    """A bounded store, safe to use from several threads. The oldest answer is dropped from memory first."""

    def __init__(self, limit: int = 256, archive: Archive | None = None) -> None:
        self.archive = archive
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._pinned: dict[str, Kept] = {}
        self._offered: OrderedDict[str, Kept] = OrderedDict()
        self._current: OrderedDict[str, str] = OrderedDict()
        self._last: OrderedDict[str, str] = OrderedDict()

    def begin(self, session: str) -> str:
        """Start a run for this visitor's tab and end the one before; returns the run's id."""
        run = secrets.token_hex(16)
        with self._lock:
            self._current[session] = run
            self._current.move_to_end(session)
            while len(self._current) > 16 * self._limit:
                self._current.popitem(last=False)
        return run

    def stop(self, session: str) -> None:
        """End this tab's run, if there is one."""
        with self._lock:
            self._current.pop(session, None)

    def current(self, session: str) -> str | None:
        """Id of this tab's run; None: none was begun, or it was stopped."""
        with self._lock:
            return self._current.get(session)

    def wanted(self, session: str, run: str) -> bool:
        """Whether the visitor still waits for this run."""
        return self.current(session) == run

    def keep(self, run: str, answer: Recommendation, catalog: Catalog, changes: Changes = ()) -> None:
        """Store a finished answer under its id; when this returns, it is in the archive."""
        with self._lock:
            self._remember(run, Kept(answer, catalog, time.time(), changes))
            for session, current in self._current.items():
                if current == run:
                    self._note(session, run)
        if self.archive is not None:
            self.archive.keep(run, answer, catalog, changes)

    def pin(self, run: str, answer: Recommendation, catalog: Catalog) -> None:
        """Store a finished answer that is never dropped, in memory alone."""
        with self._lock:
            self._pinned[run] = Kept(answer, catalog, time.time())

    def offer(self, run: str, answer: Recommendation, catalog: Catalog) -> None:
        """Hold a finished answer that nobody has opened. Once it is asked for it is kept as any other; until then it
        displaces none, and only the last ones are held.
        """
        with self._lock:
            self._offered[run] = Kept(answer, catalog, time.time())
            while len(self._offered) > self._limit:
                self._offered.popitem(last=False)

    def show(self, session: str, run: str) -> None:
        """Note that this visitor's tab shows an answer that is kept here."""
        with self._lock:
            if self._stored(run):
                self._note(session, run)

    def last(self, session: str) -> str | None:
        """Id of the answer that this visitor's tab showed last; None: there is none. It may have been dropped since."""
        with self._lock:
            return self._last.get(session)

    def get(self, run: object) -> Kept | None:
        """The answer with this id; None when unknown or dropped. Ids come from browsers, so anything may be asked for.

        Raises:
            UserError: as `Archive.find`.
        """
        if not isinstance(run, str) or not ID.fullmatch(run):
            return None
        with self._lock:
            opened = self._offered.pop(run, None)
            if opened is not None:
                self._remember(run, opened)
            found = self._stored(run)
        if opened is not None and self.archive is not None:
            self.archive.keep(run, opened.answer, opened.catalog)
        if found is None and self.archive is not None and (stored := self.archive.find(run)) is not None:
            found = Kept(*stored)
            with self._lock:
                self._remember(run, found)
        return found

    def headings(self, ids: Sequence[object]) -> dict[str, Heading]:
        """Id → heading of the answers with these ids, in their order; unknown ones are left out. Whoever asks knows the ids.

        Raises:
            UserError: the database is away.
        """
        asked = [run for run in ids if isinstance(run, str) and ID.fullmatch(run)]
        with self._lock:
            here = {run: _heading(kept) for run in asked if (kept := self._stored(run)) is not None}
        missing = [run for run in asked if run not in here]
        if missing and self.archive is not None:
            here |= self.archive.headings(missing)
        return {run: here[run] for run in asked if run in here}

    def held(self, run: str) -> Kept | None:
        """The answer with this id, if it is in memory."""
        with self._lock:
            return self._stored(run)

    def _stored(self, run: str) -> Kept | None:
        return self._kept.get(run) or self._pinned.get(run)

    def _remember(self, run: str, kept: Kept) -> None:
        self._kept[run] = kept
        self._kept.move_to_end(run)
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def _note(self, session: str, run: str) -> None:
        self._last[session] = run
        self._last.move_to_end(session)
        while len(self._last) > self._limit:
            self._last.popitem(last=False)


def _heading(kept: Kept) -> Heading:
    answer, asked = kept.answer, kept.answer.query
    first = kept.catalog[answer.items[0].item].title if answer.items else ""
    return Heading(asked.reader, len(asked.history), first, answer.checkpoint, kept.at, kept.changed)
