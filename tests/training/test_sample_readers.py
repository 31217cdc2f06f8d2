"""The study of sampled readers: all readers first, then fewer, and the sample is left as it was."""

from __future__ import annotations

import reading

from star.evidence import graph
from training.studies import sample_readers


def test_fewer_readers_find_less_or_as_much(tmp_path, monkeypatch):
    monkeypatch.setenv("STAR_DATA", str(tmp_path))
    monkeypatch.setattr(graph, "SAMPLED", graph.SAMPLED)
    reading.dataset().save(tmp_path / "small")
    rows = sample_readers.recalls("small", 40)
    assert [row["every"] for row in rows] == list(sample_readers.STEPS)
    assert all(0 < row["recall@20"] <= row["recall@100"] <= 1 for row in rows)
    assert rows[0] != {**rows[-1], "every": 1}, "one reader in sixteen gives other lists"
